import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { findCheckpoint } from '../../../plugins/checkpoint/stored/find.js';
import { readCheckpoint } from '../../../plugins/checkpoint/stored/read.js';
import { RandomStreams } from '../../../core/index.js';
import { emptyFolder } from '../../e2e/command.js';
import { espalier } from '../../e2e/warm.js';
import { fuzzOnce } from '../../fuzz-cases.js';

/** Written by the first version with format 2: it must load in every later one. */
const fixture = fileURLToPath(new URL('../../../../test/fixtures/checkpoint-2', import.meta.url));
const FLIPS = 25;
const LENGTHS = 8;
const ROUNDS = 400;

/** A run with two copies of the fixture; gives the path of a file of the newer one. */
function run(t: ExecutionContext): { folder: string; newer: (name: string) => string; whole: () => void } {
  const folder = emptyFolder(t);
  const newer = path.join(folder, 'checkpoints/000008');
  cpSync(fixture, path.join(folder, 'checkpoints/000004'), { recursive: true });
  const whole = (): void => {
    rmSync(newer, { recursive: true, force: true });
    cpSync(fixture, newer, { recursive: true });
  };
  whole();
  return { folder, newer: (name) => path.join(newer, name), whole };
}

test('a checkpoint of format 2 loads', async (t) => {
  const { weights, optimizer, state } = await readCheckpoint(fixture);
  t.is(state.format, 2);
  t.is(state.run.iteration, 4);
  t.is(weights.get('transformer.wte.weight')?.shape[1], 8);
  t.is(optimizer.scalars['step'], 4);
  t.true(weights.size > 5);
});

test('a run resumes from a checkpoint of format 2', async (t) => {
  const folder = emptyFolder(t);
  cpSync(fixture, path.join(folder, 'run/checkpoints/000004'), { recursive: true });
  writeFileSync(path.join(folder, 'text.txt'), 'the quick brown fox jumps over the lazy dog. '.repeat(40));
  const { code, err } = await espalier(folder, 'train', '--resume', 'run', '-s', 'train.max_iters=6');
  t.is(code, 0, err);
  t.regex(err, /resuming from .*000004 at iteration 4/);
});

for (const name of readdirSync(fixture)) {
  test(`${name}: flipped, cut short, gone or no file, the checkpoint before is taken`, async (t) => {
    const { folder, newer, whole } = run(t);
    const random = new RandomStreams(11).at(name, 0);
    const content = readFileSync(newer(name));
    const taken = async (what: string): Promise<void> => {
      const told: string[] = [];
      const found = await findCheckpoint(folder, folder, (line) => told.push(line));
      t.is(path.basename(found), '000004', what);
      t.regex(told.join(), /000008/, what);
      await t.throwsAsync(readCheckpoint(path.dirname(newer(name))), { code: 'ESP_CHECKPOINT_DAMAGED' }, what);
    };
    for (let i = 0; i < FLIPS; i++) {
      const harmed = Buffer.from(content);
      const at = i === 0 ? 0 : i === 1 ? content.length - 1 : random.below(content.length);
      harmed[at] = (harmed[at] ?? 0) ^ (1 + random.below(255));
      writeFileSync(newer(name), harmed);
      // A manifest may differ in a space and mean the same: then it is as good as it was.
      if (name === 'manifest.json' && sameJson(harmed, content)) continue;
      if (name === 'manifest.json' && isNewer(harmed)) continue;
      await taken(`byte ${at}`);
    }
    for (let i = 0; i < LENGTHS; i++) {
      const length = i === 0 ? 0 : i === 1 ? content.length - 1 : random.below(content.length);
      writeFileSync(newer(name), content);
      truncateSync(newer(name), length);
      await taken(`cut to ${length}`);
    }
    rmSync(newer(name));
    if (name !== 'manifest.json') await taken('gone');
    mkdirSync(newer(name));
    await taken('a folder in its place');
    whole();
    t.is(path.basename(await findCheckpoint(folder, folder)), '000008');
  });
}

test('a checkpoint with damaged optimizer state of the right size cannot be resumed, but can be sampled', async (t) => {
  const { folder, newer } = run(t);
  writeFileSync(path.join(folder, 'text.txt'), 'the quick brown fox jumps over the lazy dog. '.repeat(40));
  const file = newer('optimizer.safetensors');
  const content = readFileSync(file);
  content[content.length - 1] = (content.at(-1) ?? 0) ^ 1;
  writeFileSync(file, content);

  const sampled = await espalier(folder, 'sample', 'checkpoints/000008', '-n', '5');
  t.is(sampled.code, 0, sampled.err);
  t.is(sampled.out.length, 7);
  const verified = await espalier(folder, 'checkpoint', 'verify', '.');
  t.is(verified.code, 1);
  t.regex(verified.out + verified.err, /000008.*optimizer\.safetensors has changed since it was written/s);
  const resumed = await espalier(folder, 'train', '--resume', '.', '-s', 'train.max_iters=5');
  t.is(resumed.code, 0, resumed.err);
  t.regex(resumed.err, /000008 is damaged: optimizer\.safetensors has changed since it was written/);
  t.regex(resumed.err, /resuming from .*000004 at iteration 4/);
});

test('a checkpoint with optimizer state of the wrong size can be neither resumed nor sampled', async (t) => {
  const { folder, newer } = run(t);
  truncateSync(newer('optimizer.safetensors'), 100);
  const { code, err } = await espalier(folder, 'sample', 'checkpoints/000008', '-n', '5');
  t.is(code, 2);
  t.regex(err, /optimizer\.safetensors has 100 bytes instead of \d+.*ESP_CHECKPOINT_DAMAGED/);
});

test(`harmed in ${ROUNDS} ways that its manifest does not tell, a checkpoint is refused clearly, or read`, async (t) => {
  const folder = emptyFolder(t);
  const streams = new RandomStreams(5);
  const verdicts = { refused: 0, read: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    verdicts[await fuzzOnce(fixture, path.join(folder, 'harmed'), streams.at('fuzz', round))]++;
  }
  t.log(verdicts);
  t.true(verdicts.refused > ROUNDS / 4);
});

function sameJson(a: Buffer, b: Buffer): boolean {
  try {
    return JSON.stringify(JSON.parse(a.toString())) === JSON.stringify(JSON.parse(b.toString()));
  } catch {
    return false;
  }
}

function isNewer(manifest: Buffer): boolean {
  try {
    return (JSON.parse(manifest.toString()) as { format: number }).format > 2;
  } catch {
    return false;
  }
}
