import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { espalier, sharedFolder } from '../../../e2e/command.js';
import { textFolder } from '../../../text.js';
import { engineNeed, needing } from '../../../needs.js';

const check = needing(await engineNeed('xla'));
// Commands inherit it.
const cache = (process.env['ESPALIER_CACHE'] = sharedFolder());

const settings = [
  'engine=xla',
  'data={text: text.txt}',
  'model={n_layer: 1, n_head: 2, n_embd: 16, block_size: 16, vocab_size: null, dropout: 0.1}',
  'train={batch_size: 3, gradient_accumulation_steps: 2}',
  'plugins.evaluation={interval: 4, iters: 2}',
  'plugins.ema={}',
].flatMap((setting) => ['--set', setting]);

check('engine xla: a resumed run gives the same bits, and a later start compiles nothing', async (t) => {
  const folder = textFolder(t);
  const run = async (...args: string[]): Promise<string> => {
    const { code, out, err } = await espalier(folder, ...args, '-p', 'debug', ...settings);
    t.is(code, 0, out + err);
    return out;
  };
  const found = await run('verify-resume', '-n', '5');
  for (const part of ['weights', 'optimizer', 'random streams', 'state of plugin ema'])
    t.true(found.includes(`the same: ${part}`), `${part}\n${found}`);
  t.regex(found, /the same run, bit for bit/);

  const programs = path.join(cache, 'espalier', 'xla-programs');
  // A program that is written again is another file.
  const files = (): Map<string, number> =>
    new Map(readdirSync(programs).map((name) => [name, statSync(path.join(programs, name)).ino]));
  const before = files();
  t.true(before.size > 10);
  await run('train', '--stop-after', '5', '--set', 'run.dir=again');
  t.deepEqual(files(), before);

  // The run reads some of them: verify-resume's own programs stay as they are.
  const lengths = new Map([...before.keys()].map((name) => [name, damage(path.join(programs, name))]));
  await run('train', '--stop-after', '5', '--set', 'run.dir=repaired');
  t.deepEqual([...files().keys()].sort(), [...before.keys()].sort());
  const repaired = [...lengths].filter(([name, length]) => statSync(path.join(programs, name)).size === length);
  t.true(repaired.length > 10, String(repaired.length));
});

/** Cuts the last byte off; returns the length that the file had. */
function damage(file: string): number {
  const whole = readFileSync(file);
  writeFileSync(file, whole.subarray(0, whole.length - 1));
  return whole.length;
}
