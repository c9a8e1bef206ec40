import path from 'node:path';
import test from 'ava';
import fc from '../../property.js';
import { explainLines } from '../../../core/config/composed.js';
import { renderLines } from '../../../plugins/configs/printing/explained.js';
import { composeConfig, configWithPluginPaths } from '../../../plugins/configs/layers/compose.js';
import { UsageError } from '../../../core/errors.js';
import { makeRun } from '../../../core/run/make.js';
import { storedConfig } from '../../../plugins/checkpoint/resume/stored-config.js';
import type { CheckpointState } from '../../../core/contracts/checkpoint-store.js';
import { compose, folderWith, yaml } from './helpers.js';

test('a plugin’s path is relative to the file that names it, in slots and under plugins', async (t) => {
  const files = {
    'exp/espalier.config.yaml': 'extends: ../shared/base.yaml\nlr: { warmup_iters: 5 }',
    'shared/base.yaml': 'lr: ./wsd.ts\ndata: { tokenizer: { use: ../tok.ts } }\nplugins: { ./alarm.ts: { above: 4 } }',
  };
  const cwd = path.join(await folderWith(t, files), 'exp');
  const composed = await composeConfig({ cwd, presets: [], set: ['model.use=./mine.ts'] });
  t.deepEqual(composed.value, {
    lr: { use: '../shared/wsd.ts', warmup_iters: 5 },
    data: { tokenizer: { use: '../tok.ts' } },
    plugins: { '../shared/alarm.ts': { above: 4 } },
    model: { use: './mine.ts' },
  });
  const lines = renderLines(explainLines(composed, composed.value)).split('\n');
  t.regex(
    lines.find((line) => line.startsWith('lr.use ')) ?? '',
    /\.\.\/shared\/wsd\.ts .*base\.yaml:1, as \.\/wsd\.ts$/,
  );
  t.regex(lines.find((line) => line.startsWith('model.use ')) ?? '', /\.\/mine\.ts .*# --set$/);
});

test('two names of the same file are one plugin; the same name in two folders is two', async (t) => {
  const base = { 'sub/base.yaml': 'plugins: { ./a.ts: { above: 4, below: 1 }, ./b.ts: true }' };
  const same = await compose(
    t,
    { ...base, ...yaml('extends: ./sub/base.yaml', 'plugins:', '  ./sub/a.ts: { above: 5 }', '  ./sub/b.ts: false') },
    { set: ['plugins."./sub/../sub/a.ts".below=2'] },
  );
  t.deepEqual(same.value['plugins'], { './sub/a.ts': { above: 5, below: 2 }, './sub/b.ts': false });
  const two = await compose(t, { ...base, ...yaml('extends: ./sub/base.yaml', 'plugins: { ./a.ts: { above: 5 } }') });
  t.deepEqual(Object.keys(two.value['plugins'] ?? {}), ['./sub/a.ts', './sub/b.ts', './a.ts']);
});

test('names of built-in plugins and packages, absolute paths, and options are not changed', async (t) => {
  const { value } = await compose(t, {
    ...yaml('extends: ./sub/base.yaml'),
    'sub/base.yaml':
      'lr: linear\nplugins: { progress: { use: ./x }, /abs/a.ts: {}, "@me/b": {} }\ndata: { text: ./t.txt }',
  });
  t.deepEqual(value, {
    lr: { use: 'linear' },
    plugins: { progress: { use: './x' }, '/abs/a.ts': {}, '@me/b': {} },
    data: { text: './t.txt' },
  });
});

async function refused(cwd: string): Promise<string> {
  const thrown = await makeRun({ cwd }).catch((error: unknown) => error);
  return thrown instanceof UsageError ? thrown.message : 'nothing was thrown';
}

test('a wrong plugin path is answered with the file that was meant, and how to name it', async (t) => {
  const plugin =
    "import { Plugin } from 'espalier';\n@Plugin({ name: 'a', summary: 'b' })\nexport default class A {}\n";
  const inCwd = await folderWith(t, {
    ...yaml('extends: [debug, ./sub/base.yaml]'),
    'sub/base.yaml': '\nplugins: { ./a.ts: {} }',
    'a.ts': plugin,
  });
  const missing = await refused(inCwd);
  t.true(missing.startsWith('sub/base.yaml:2: key plugins."./sub/a.ts": plugin ./a.ts: there is no file'), missing);
  t.true(missing.endsWith(`is relative to the file that names it: write ../a.ts for ${path.join(inCwd, 'a.ts')}`));
  const inBase = await folderWith(t, {
    ...yaml('extends: [debug, ./sub/base.yaml]', 'plugins: { ./a.ts: {} }'),
    'sub/base.yaml': 'plugins: { ./a.ts: {} }',
    'sub/a.ts': plugin,
  });
  t.regex(
    await refused(inBase),
    /^espalier\.config\.yaml:2: .*; sub\/base\.yaml:1 has \.\/a\.ts for another file, .*: write \.\/sub\/a\.ts for that one$/,
  );
});

const folders = fc
  .array(fc.constantFrom('a', 'b', '.c', '..d'), { maxLength: 4 })
  .map((parts) => `/${parts.join('/')}`);

test('a path made relative to any folder names the same file', (t) => {
  fc.assert(
    fc.property(
      folders,
      folders,
      folders,
      fc.constantFrom('./x.ts', '../x.ts', './a/../.c/x.ts'),
      (from, via, to, name) => {
        const moved = (use: string, of: string, folder: string): string => {
          const place = (each: string): string => path.resolve(of, each);
          const { lr } = configWithPluginPaths({ lr: { use } }, place, folder);
          return (lr as { use: string }).use;
        };
        const there = moved(moved(name, from, via), via, to);
        t.is(there, moved(name, from, to), 'by a detour');
        t.is(path.resolve(to, there), path.resolve(from, name));
        t.true(there.startsWith('./') || there.startsWith('../'));
      },
    ),
  );
});

test('a checkpoint’s plugin paths are resolved from its run, which may have moved, else from the current folder', async (t) => {
  const files = { 'proj/lr.ts': '', 'proj/runs/x/x.txt': '', 'old/lr.ts': '', 'far/off/x.txt': '' };
  const folder = await folderWith(t, files);
  const use = (run: string, from: string, state: Pick<CheckpointState, 'config' | 'cwd'>): unknown => {
    const checkpoint = { path: path.join(folder, run, 'checkpoints/000002'), state: state as CheckpointState };
    return storedConfig(checkpoint, path.join(folder, from))['lr'];
  };
  const kept = { config: { lr: { use: '../../lr.ts' } }, cwd: '../..' };
  t.deepEqual(use('proj/runs/x', 'proj', kept), { use: './lr.ts' });
  t.deepEqual(use('proj/runs/x', 'far/off', kept), { use: '../../proj/lr.ts' });
  t.deepEqual(use('far/off/runs/x', 'old', kept), { use: './lr.ts' }, 'the run alone has moved');
  t.deepEqual(use('far', 'old', { config: { lr: { use: './lr.ts' } } }), { use: './lr.ts' }, 'of an earlier version');
});
