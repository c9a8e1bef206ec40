// `npm test`: runs ava with the arguments given, then lists what was skipped and how to enable it.
// --peers runs only the tests that need something else than npm installs (Python packages, MPI, a browser, ...).
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(path.join(tmpdir(), 'espalier-tests-'));
const skipped = path.join(folder, 'skipped.jsonl');
try {
  const given = process.argv.slice(2);
  const args = given[0] === '--peers' ? [...given.slice(1), '--match=*[needs *', ...filesWithNeeds()] : given;
  const ava = path.join(root, 'node_modules', 'ava', 'entrypoints', 'cli.mjs');
  const env = { ...process.env, ESPALIER_SKIPPED: skipped };
  const { status } = spawnSync(process.execPath, [ava, ...args], { cwd: root, env, stdio: 'inherit' });
  summarize();
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function filesWithNeeds() {
  const tests = path.join(root, 'dist', 'test');
  const files = readdirSync(tests, { recursive: true }).filter((file) => file.endsWith('.test.js'));
  return files
    .filter((file) => /\bneeding\b/.test(readFileSync(path.join(tests, file), 'utf8')))
    .map((file) => path.join('dist', 'test', file));
}

function summarize() {
  if (!existsSync(skipped)) return;
  const lines = readFileSync(skipped, 'utf8').trimEnd().split('\n');
  const byReason = new Map();
  for (const { reason, enable } of lines.map((line) => JSON.parse(line))) {
    byReason.set(reason, { enable, count: (byReason.get(reason)?.count ?? 0) + 1 });
  }
  console.log('  Skipped, and how to enable:');
  for (const [reason, { enable, count }] of byReason) {
    console.log(`  - ${count} ${count === 1 ? 'test' : 'tests'} (${reason}): ${enable}`);
  }
}
