import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from '../../property.js';
import { EventFiles } from '../../../plugins/logs/tensorboard/files.js';
import {
  histogramEvent,
  restartEvent,
  scalarsEvent,
  stepOf,
  textEvent,
} from '../../../plugins/logs/tensorboard/messages.js';
import { crc32c, record, type FoundRecord } from '../../../plugins/logs/tensorboard/records.js';
import { testRun, type TestRun } from '../../../plugins/testing/contract.js';
import { emptyFolder } from '../../e2e/command.js';
import { partlyNeeding } from '../../needs.js';
import { readByTensorBoard, tensorboard } from './event-reader.js';
import { recordsIn } from './event-records.js';

/** A run of a tiny model with its files in `out`, disposed after the test. */
async function made(t: ExecutionContext, folder: string, ...set: string[]): Promise<TestRun> {
  const run = await testRun({ presets: ['debug'], cwd: folder, folder: path.join(folder, 'out'), set });
  t.teardown(() => run.dispose());
  return run;
}

test('crc32c has the values of RFC 3720, appendix B.4', (t) => {
  t.is(crc32c(Buffer.from('123456789')), 0xe3069283);
  t.is(crc32c(new Uint8Array(32)), 0x8a9136aa);
  t.is(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  t.is(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
});

test('records are read back up to where the file is cut or damaged', (t) => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 8 });
  const name = path.join(emptyFolder(t), 'events');
  const recordsOf = (bytes: Uint8Array): FoundRecord[] => {
    writeFileSync(name, bytes);
    return recordsIn(name);
  };
  fc.assert(
    fc.property(pieces, fc.nat(), fc.integer({ min: 1, max: 255 }), (written, where, flip) => {
      const framed = written.map(record);
      const file = Buffer.concat(framed);
      t.deepEqual(
        recordsOf(file).map(({ data }) => new Uint8Array(data)),
        written,
      );
      const at = where % file.length;
      let end = 0;
      const before = framed.filter((bytes) => (end += bytes.length) <= at).length;
      t.is(recordsOf(file.subarray(0, at)).length, before);
      const damaged = Buffer.from(file);
      damaged.writeUInt8(file.readUInt8(at) ^ flip, at);
      t.is(recordsOf(damaged).length, before);
    }),
  );
});

test('every kind of event has its step, even beyond 32 bits', (t) => {
  const histogram = { name: 'weights/w', edges: [0, 1], counts: [2], sum: 1, sumOfSquares: 1 };
  for (const step of [0, 1, 2 ** 31, 2 ** 40 + 1]) {
    const events = [
      scalarsEvent(1, step, { loss: 1 }),
      histogramEvent(1, { iteration: step, ...histogram }),
      textEvent(1, step, 'config', 'a: 1'),
      restartEvent(1, step),
    ];
    t.deepEqual(events.map(stepOf), [step, step, step, step]);
  }
});

test('a run cuts only its own files in a shared folder', (t) => {
  const folder = emptyFolder(t);
  const files = new EventFiles(folder, 'run');
  t.is(path.basename(files.next(5.7)), 'events.out.tfevents.0000000005.run');
  const other = path.join(folder, 'events.out.tfevents.0000000009.other.run');
  writeFileSync(other, 'of another run');
  const at = (step: number): Buffer => record(scalarsEvent(1, step, { loss: step }));
  const first = files.next(7);
  writeFileSync(first, Buffer.concat([at(1), at(2), at(3), at(2)]));
  const second = files.next(7);
  t.true(second > first, 'TensorBoard reads files in the order of their names');
  writeFileSync(second, Buffer.concat([at(4), at(2), at(5).subarray(0, 9)]));
  files.keep((step) => step <= 2);
  t.deepEqual(readFileSync(first), Buffer.concat([at(1), at(2), at(2)]));
  t.deepEqual(readFileSync(second), at(2));
  files.remove();
  t.deepEqual(readdirSync(folder), [path.basename(other)]);
});

partlyNeeding(tensorboard)(
  'a run that starts over begins anew; `dir` names another folder, and NaN is a point too',
  async (t) => {
    const folder = emptyFolder(t);
    const settings = [
      'run.dir=out',
      'train={max_iters: 2, batch_size: 2}',
      'model={n_layer: 1, n_embd: 8, n_head: 1, block_size: 8}',
      'plugins={evaluation: false, checkpoint: false, training-metrics: {interval: 1}}',
      'plugins.tensorboard.dir=logs/all',
    ];
    for (let round = 0; round < 2; round++) {
      const { run } = await made(t, folder, ...settings);
      run.bus.listen({ plugin: 'test', event: 'run:end', critical: true }, async () => {
        await run.bus.dispatch('metrics', { iteration: 2, values: { odd: NaN, large: 1e300, small: -1e-30 } });
        await run.bus.dispatch('sample', { iteration: 2, prompt: 'a'.repeat(70), text: 'b' });
        await run.bus.dispatch('sample', { iteration: 2, prompt: 'a'.repeat(69), text: 'c' });
      });
      await run.train();
      await run.dispose();
    }
    const logs = path.join(folder, 'logs/all');
    t.is(readdirSync(logs).length, 1);
    t.false(existsSync(path.join(folder, 'out/tensorboard')));
    const read = readByTensorBoard(logs);
    if (read === undefined) return;
    t.deepEqual(
      read.scalars['train/loss']?.map(([step]) => step),
      [1, 2],
    );
    t.deepEqual(read.scalars['odd'], [[2, 'NaN']]);
    t.deepEqual(read.scalars['large'], [[2, 'Infinity']], 'as large as 32 bits can tell');
    t.deepEqual(read.scalars['small'], [[2, Math.fround(-1e-30)]]);
    const tag = `samples/${'a'.repeat(60)}`;
    t.deepEqual(read.texts[tag], [[2, `    ${'a'.repeat(70)}b`]]);
    t.deepEqual(read.texts[`${tag} (2)`], [[2, `    ${'a'.repeat(69)}c`]]);
  },
);

test('a folder that cannot be created is reported, and the run continues', async (t) => {
  const folder = emptyFolder(t);
  mkdirSync(path.join(folder, 'taken'));
  appendFileSync(path.join(folder, 'taken/file'), 'no folder');
  const { run } = await made(t, folder, 'train.max_iters=1', 'plugins.tensorboard.dir=taken/file/below');
  t.is((await run.train()).status, 'done');
  await run.dispose();
  const log = readFileSync(path.join(run.folder.path, 'run.log'), 'utf8');
  t.regex(log, /warn {2}events\.out\.tfevents\.\d+\.debug cannot be written: .*trying again/);
});
