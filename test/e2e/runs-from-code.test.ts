import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import ts from 'typescript';
import { emptyFolder, ran, type Outcome } from './command.js';

const guide = readFileSync('docs/guides/runs-from-code.md', 'utf8');
const text = 'the quick brown fox jumps over the lazy dog. '.repeat(100);

/** Runs a program of the guide as it is there, in a project that has the package. */
async function program(t: ExecutionContext, name: string): Promise<Outcome> {
  const folder = emptyFolder(t);
  const [, code = ''] = new RegExp(`\`\`\`ts\\n(// ${name}\\.ts\\n[^]*?)\`\`\``).exec(guide) ?? [];
  t.not(code, '');
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      experimentalDecorators: true,
      emitDecoratorMetadata: true,
    },
  });
  const file = path.join(folder, `${name}.mjs`);
  writeFileSync(file, outputText);
  writeFileSync(path.join(folder, 'book.txt'), text);
  mkdirSync(path.join(folder, 'node_modules'));
  symlinkSync(process.cwd(), path.join(folder, 'node_modules', 'espalier'), 'junction');
  symlinkSync(path.resolve('node_modules', 'zod'), path.join(folder, 'node_modules', 'zod'), 'junction');
  return ran(file, folder, []);
}

test('the guide’s program trains, and prints only its own lines', async (t) => {
  const { code, out, err } = await program(t, 'train');
  t.is(err, '');
  t.is(code, 0);
  t.regex(
    out,
    /^(iteration \d+: loss \d\.\d\d\n){4}done after 20 iterations, validation loss \d\.\d\d\nbest checkpoint: .*runs.first.checkpoints.\d+\n$/,
  );
});

test('the guide’s class plugin has its options, and a program stops the run', async (t) => {
  const { code, out, err } = await program(t, 'plateau');
  t.is(err, '');
  t.is(code, 0);
  t.is(out, 'stopped: enough after 10 iterations\n');
});

test('the guide’s sweep trains two runs at the same time', async (t) => {
  const { code, out, err } = await program(t, 'sweep');
  t.is(err, '');
  t.is(code, 0);
  t.regex(out, /^0\.001: \d\.\d\d\n0\.003: \d\.\d\d\n$/);
});

test('the guide’s mistake is reported like on the command line, with its place in the config', async (t) => {
  const { code, out, err } = await program(t, 'errors');
  t.is(err, '');
  t.is(code, 0);
  t.is(
    out,
    'ESP_PLUGIN_NOT_FOUND\nconfig: key batches.strategy: unknown batch strategy "rnadom": did you mean "random"? (`espalier plugins` lists all; a path starts with ./)\n',
  );
});
