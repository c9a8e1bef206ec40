import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { templateFile } from '../../../plugins/scaffolds/plugin/templates.js';
import { withPlugin } from '../../../plugins/scaffolds/plugin/config-entry.js';
import { emptyFolder } from '../../e2e/command.js';
import { espalier } from '../../e2e/warm.js';

const run = promisify(execFile);
/** In an order in which a later one keeps what an earlier one wrote: the tokenizer is below the data. */
const kinds = ['feature', 'engine', 'tokenizer', 'data', 'batches', 'model', 'optimizer', 'lr'];
const compiler = path.resolve('node_modules/typescript/bin/tsc');
const few = ['--quiet', '--set', 'train.max_iters=3', '--set', 'plugins.evaluation.iters=1'];

/** A folder in which this repository is the installed espalier. */
function project(t: ExecutionContext): string {
  const folder = emptyFolder(t);
  mkdirSync(path.join(folder, 'node_modules'));
  for (const [name, to] of [
    ['espalier', '.'],
    ['@types', 'node_modules/@types'],
  ] as const) {
    symlinkSync(path.resolve(to), path.join(folder, 'node_modules', name), 'junction');
  }
  return folder;
}

/** Compiles a folder as its `tsconfig.json` says, and runs its tests. `.ci/package` checks all declarations, too. */
async function compiledAndTested(folder: string, tests: readonly string[]): Promise<void> {
  await run(process.execPath, [compiler, '--skipLibCheck'], { cwd: folder });
  // In one process, because the start of one takes longer than most tests.
  const all = tests.map((name) => `await import('./dist/${name}.test.js');`).join('\n');
  await run(process.execPath, ['--input-type=module', '--eval', all], { cwd: folder });
}

async function done(t: ExecutionContext, folder: string, ...args: string[]): Promise<string> {
  const { code, out, err } = await espalier(folder, ...args);
  t.is(code, 0, err);
  return out;
}

test('a plugin of every kind compiles, passes its own test, and trains with the others', async (t) => {
  const folder = project(t);
  for (const kind of kinds) await done(t, folder, 'new', 'plugin', `my-${kind}`, '--slot', kind);
  t.is(
    readFileSync(path.join(folder, 'espalier.config.yaml'), 'utf8'),
    `extends: [ char-small ]
plugins:
  ./my-feature.ts: {}
engine: { use: ./my-engine.ts }
data: { use: ./my-data.ts, tokenizer: { use: ./my-tokenizer.ts } }
batches: { strategy: ./my-batches.ts }
model: { use: ./my-model.ts }
optimizer: { use: ./my-optimizer.ts }
lr: { use: ./my-lr.ts }
`,
  );
  await compiledAndTested(
    folder,
    kinds.map((kind) => `my-${kind}`),
  );
  await done(t, folder, 'train', ...few);
  const schema = JSON.parse(await done(t, folder, 'schema'));
  t.true('below' in schema.definitions['data-my-data-ts'].properties);
});

test('a package compiles, passes its own test, and is found by its name', async (t) => {
  const folder = project(t);
  t.regex(await done(t, folder, 'new', 'plugin', 'steps', '--slot', 'lr', '--package'), /cd espalier-plugin-steps/);
  const made = path.join(folder, 'espalier-plugin-steps');
  symlinkSync(path.join(folder, 'node_modules'), path.join(made, 'node_modules'), 'junction');
  await compiledAndTested(made, ['steps']);
  await done(t, made, 'train', ...few);
  symlinkSync(made, path.join(folder, 'node_modules', 'espalier-plugin-steps'), 'junction');
  writeFileSync(path.join(folder, 'espalier.config.yaml'), 'extends: [debug]\nlr: { use: steps, decay_share: 0.5 }\n');
  await done(t, folder, 'train', ...few);
  const described = JSON.parse(readFileSync(path.join(made, 'package.json'), 'utf8'));
  t.like(described, { name: 'espalier-plugin-steps', keywords: ['espalier', 'espalier-plugin', 'espalier-lr'] });
  t.regex(
    readFileSync(path.join(made, 'README.md'), 'utf8'),
    /```yaml\n# espalier\.config\.yaml\nlr: { use: steps }\n```/,
  );
});

test('nothing is overwritten, and a name that is taken or not a name is refused', async (t) => {
  const folder = emptyFolder(t);
  await done(t, folder, 'new', 'plugin', 'mine');
  writeFileSync(path.join(folder, 'mine.ts'), '// mine\n');
  const again = await espalier(folder, 'new', 'plugin', 'mine');
  t.is(again.code, 2);
  t.regex(again.err, /mine\.ts, mine\.test\.ts exist; --force overwrites \[ESP_SCAFFOLD_EXISTS\]/);
  t.is(readFileSync(path.join(folder, 'mine.ts'), 'utf8'), '// mine\n');
  await done(t, folder, 'new', 'plugin', 'mine', '--force');
  t.regex(readFileSync(path.join(folder, 'mine.ts'), 'utf8'), /class Mine /);
  t.regex((await espalier(folder, 'new', 'plugin', 'csv')).err, /espalier already has a plugin named csv/);
  t.regex((await espalier(folder, 'new', 'plugin', 'wsd', '--slot', 'lr')).err, /plugin named lr-wsd/);
  t.regex((await espalier(folder, 'new', 'plugin', 'My Plugin')).err, /is not a valid plugin name/);
});

test('an entry leaves comments and other settings; a config in TypeScript is left alone', async (t) => {
  const config = '# mine\nextends: debug\nlr: { use: wsd, warmup_iters: 3 } # fast\ndata: token-shards\nplugins:\n';
  t.is(
    withPlugin(withPlugin(withPlugin(config, 'lr', './a.ts'), 'tokenizer', './b.ts'), 'feature', 'c'),
    '# mine\nextends: debug\nlr: { use: ./a.ts }\ndata:\n  use: token-shards\n  tokenizer: { use: ./b.ts }\nplugins:\n  c: {}\n',
  );
  const folder = emptyFolder(t);
  writeFileSync(path.join(folder, 'espalier.config.ts'), 'export default {};\n');
  const out = await done(t, folder, 'new', 'plugin', 'mine');
  t.regex(out, /add to espalier\.config\.ts: plugins:\n +\.\/mine\.ts: \{\}/);
  t.is(readFileSync(path.join(folder, 'espalier.config.ts'), 'utf8'), 'export default {};\n');
});

const shown: Readonly<Record<string, string>> = {
  'loss-average': 'testing-plugins',
  words: 'tokenizer',
  sums: 'dataset',
  backwards: 'batch-strategy',
  bigram: 'model',
  'rms-step': 'optimizer',
  plateau: 'lr-schedule',
};

test('the guides show what is written', (t) => {
  for (const [program, page] of Object.entries(shown)) {
    const text = readFileSync(`docs/plugins/${page}.md`, 'utf8');
    for (const name of [`${program}.ts`, `${program}.test.ts`]) {
      t.true(text.includes(`\`\`\`ts\n// ${name}\n${templateFile(name)}\`\`\``), `${page}.md shows another ${name}`);
    }
  }
});
