import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { commandFile, emptyFolder } from './command.js';

/** The files that a command loads, as Node's coverage lists them, from `dist` or `node_modules` on. */
async function loaded(t: ExecutionContext, ...args: string[]): Promise<string[]> {
  const folder = emptyFolder(t);
  const env = { ...process.env, NODE_V8_COVERAGE: path.join(folder, 'coverage') };
  await promisify(execFile)(process.execPath, [commandFile, ...args], { cwd: folder, env });
  const [report = ''] = readdirSync(path.join(folder, 'coverage'));
  const { result } = JSON.parse(readFileSync(path.join(folder, 'coverage', report), 'utf8'));
  return (result as { url: string }[]).map(({ url }) => url.replace(/^.*\/(?=dist\/|node_modules\/)/, ''));
}

/** Without the command line itself, the signals that it handles, and the package manager that its messages name. */
const ofFamilies = (files: readonly string[]): string[] =>
  files.filter((file) => /^dist\/plugins\/(?!command-line\/|packages\/|signals\/(?:contract|process\/))/.test(file));
const ofTensorflow = (files: readonly string[]): string[] => files.filter((file) => file.includes('tfjs'));

test('a command loads only its own family and the runs family, and no tensor library before it needs one', async (t) => {
  const sample = await loaded(t, 'sample', '--help');
  t.true(ofFamilies(sample).includes('dist/plugins/sampling/commands/sample.js'));
  t.deepEqual(
    ofFamilies(sample).filter((file) => !/^dist\/plugins\/(?:sampling|runs)\//.test(file)),
    [],
  );
  t.deepEqual(ofTensorflow(sample), []);
  const train = await loaded(t, 'train', '--help');
  t.true(train.includes('dist/plugins/command-line/commands/train.js'));
  t.deepEqual(
    ofFamilies(train).filter((file) => !/\/options\/train\.js$|^dist\/plugins\/runs\//.test(file)),
    [],
  );
  t.deepEqual(ofTensorflow(train), []);
  const events = await loaded(t, 'events');
  t.deepEqual(
    ofFamilies(events).filter((file) => !file.endsWith('/events.js')),
    [],
  );
  t.deepEqual(ofTensorflow(events), []);
});

test('--help, which loads every command, loads no tensors', async (t) => {
  const help = await loaded(t, '--help');
  t.true(help.includes('dist/plugins/verify/commands/parity.js'));
  t.deepEqual(ofTensorflow(help), []);
});
