import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { text } from '../text.js';
import { emptyFolder } from './command.js';
import { espalier } from './warm.js';

const flat = `import { LearningRate, Plugin } from 'espalier';
@Plugin({ name: 'flat', summary: 'one rate', slot: 'lr' })
export default class Flat {
  static register(bindings) { bindings.bind(LearningRate, Flat); }
  at(iteration, base) { return base; }
}
`;
const base = `extends: [debug]
lr: ./flat.ts
model: { n_layer: 1, n_embd: 8, block_size: 8 }
train: { max_iters: 4, batch_size: 2 }
plugins: { evaluation: { interval: 0, iters: 1 } }
`;

test('a plugin beside a shared config is found from another folder, and by a resume after all has moved', async (t) => {
  const folder = emptyFolder(t);
  const put = (file: string, content: string): void => {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), content);
  };
  put('proj/shared/flat.ts', flat);
  put('proj/shared/base.yaml', base);
  put('proj/exp/text.txt', text);
  put('proj/exp/espalier.config.yaml', 'extends: ../shared/base.yaml\ndata: { text: text.txt }\n');
  const first = await espalier(path.join(folder, 'proj/exp'), 'train', '--stop-after', '2');
  t.is(first.code, 0, first.err);
  const written = readFileSync(path.join(folder, 'proj/exp/runs/debug/config.yaml'), 'utf8');
  t.regex(written, /\n {2}use: \.\.\/\.\.\/\.\.\/shared\/flat\.ts\n/);

  renameSync(path.join(folder, 'proj'), path.join(folder, 'moved'));
  const more = await espalier(
    folder,
    'train',
    '--resume',
    'moved/exp/runs/debug',
    '-s',
    'data.text=moved/exp/text.txt',
  );
  t.is(more.code, 0, more.err);
  t.regex(more.err, /resuming from .*000002 at iteration 2/);
  t.regex(more.err, /done after 4 iterations; the run is in moved\/exp\/runs\/debug/);
});
