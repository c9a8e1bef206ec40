// The end of `npm run deps`: how large the core is, in lines of TypeScript, comments and blank lines included.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const core = join(dirname(dirname(fileURLToPath(import.meta.url))), 'core');
/** What a run goes through: loop, events, plugins, contracts, random streams, and the capture and restore of its state. */
const ofRuns = ['contracts', 'events', 'plugins', 'random', 'run'];

const lines = (folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.c?ts$/.test(file))
    .reduce((sum, file) => sum + readFileSync(join(folder, file), 'utf8').split('\n').length - 1, 0);

const count = (value) => value.toLocaleString('en-US');
const ofRun = ofRuns.reduce((sum, folder) => sum + lines(join(core, folder)), 0);
console.log(`core: ${count(lines(core))} lines; what a run goes through (${ofRuns.join(', ')}): ${count(ofRun)} lines`);
