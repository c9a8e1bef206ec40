import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { createRun, Engine, tf } from '../../../../core/index.js';
import { countDevices, openDevice } from '../../../../plugins/engines/xla/device.js';
import { Client } from '../../../../plugins/engines/xla/pjrt/client.js';
import { PjrtPlugin } from '../../../../plugins/engines/xla/pjrt/plugin.js';
import { Graph } from '../../../../plugins/engines/xla/stablehlo/graph.js';
import { at } from '../../../../plugins/engines/xla/stablehlo/program.js';
import { embedding } from '../../../../plugins/index.js';
import { dropout } from '../../../../plugins/ops/contract.js';
import { testRun } from '../../../../plugins/testing/contract.js';
import { espalier, sharedFolder } from '../../../e2e/command.js';
import { engineNeed, needing } from '../../../needs.js';
import { textFolder } from '../../../text.js';
import { assertClose } from '../../ops/compare.js';

// Before the plugin is loaded. Commands inherit both.
process.env['XLA_FLAGS'] = '--xla_force_host_platform_device_count=4';
const check = needing(await engineNeed('xla')).serial;
const folder = (process.env['ESPALIER_CACHE'] = sharedFolder());
const [ROWS, TIME, WIDTH] = [8, 6, 16];
/** At the evaluation after three iterations. */
const SCHEDULE = [
  ['stack_layers', '[0, 0]'],
  ['freeze_layer', 'mlp.0'],
]
  .map(
    ([name, value]) => `- { name: ${name}, value: ${value}, trigger_loss: 99, max_wait_iters: 9, reevaluate: false }`,
  )
  .join('\n');

/** What a run has computed. */
interface Trained {
  readonly losses: Float32Array;
  readonly weights: ReadonlyMap<string, Float32Array>;
  /** Programs that each iteration ran. */
  readonly programs: readonly number[];
  /** The largest program that XLA has divided, as compiled. */
  readonly divided: string;
}

async function train(t: ExecutionContext, devices: number, ...set: string[]): Promise<Trained> {
  const dump = mkdtempSync(path.join(folder, 'dump-'));
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with `this` below
  const [{ call }, { compile }] = [PjrtPlugin.prototype, Client.prototype];
  const programs = [0];
  PjrtPlugin.prototype.call = function (name, values) {
    if (name === 'LoadedExecutable_Execute') programs[programs.length - 1]!++;
    return call.call(this, name, values);
  };
  Client.prototype.compile = function (code, flags, count) {
    const dumped = count === 1 ? {} : { xla_dump_to: dump, xla_dump_hlo_as_text: true };
    return compile.call(this, code, { ...flags, ...dumped }, count);
  };
  const cwd = textFolder(t);
  // The run writes to it, and uses it if asked to.
  writeFileSync(path.join(cwd, 'schedule.yaml'), SCHEDULE);
  try {
    await using run = await createRun({
      cwd,
      presets: 'debug',
      set: [
        `engine={use: xla, devices: ${String(devices)}}`,
        'data={text: text.txt}',
        `model={n_layer: 1, n_head: 2, n_embd: ${String(WIDTH)}, block_size: ${String(TIME)}, vocab_size: null, dropout: 0.2}`,
        `train={max_iters: 5, batch_size: ${String(ROWS)}}`,
        'plugins={checkpoint: false, evaluation: {interval: 3, iters: 1}}',
        ...set,
      ],
    });
    const losses: number[] = [];
    run.on('iteration:end', ({ loss }) => {
      losses.push(loss);
      programs.push(0);
    });
    await run.train();
    const { model } = run;
    const weights = new Map(
      [...model.parameters()].map(([name, weight]) => [name, Float32Array.from(weight.dataSync())]),
    );
    const texts = readdirSync(dump)
      .filter((name) => name.endsWith('cpu_after_optimizations.txt'))
      .map((name) => readFileSync(path.join(dump, name), 'utf8'));
    const [divided = ''] = texts.sort((a, b) => b.length - a.length);
    return { losses: Float32Array.from(losses), weights, programs, divided };
  } finally {
    PjrtPlugin.prototype.call = call;
    Client.prototype.compile = compile;
  }
}

function assertCloseRuns(t: ExecutionContext, ours: Trained, expected: Trained): void {
  assertClose(ours.losses, expected.losses, 'loss');
  t.deepEqual([...ours.weights.keys()], [...expected.weights.keys()]);
  for (const [name, values] of expected.weights) assertClose(ours.weights.get(name), values, name);
}

check('engine xla: several devices train as one does, in one program with the sums over all', async (t) => {
  const one = await train(t, 1);
  for (const devices of [2, 4]) {
    const several = await train(t, devices);
    assertCloseRuns(t, several, one);
    t.is(several.programs[4], 1);
    t.regex(several.divided, /= .*all-reduce\(/);
    t.notRegex(several.divided, /= .*(all-gather|all-to-all|collective-permute)\(/);
    // Each device multiplies its rows.
    const lengths = (text: string): string[] => text.match(/(?<== f32\[)\d+(?=,16\]\S* dot\()/g) ?? [];
    t.true(lengths(several.divided).includes(String((ROWS / devices) * TIME)));
    t.false(lengths(several.divided).includes(String(ROWS * TIME)));
    const again = await train(t, devices);
    t.deepEqual([again.losses, again.weights], [several.losses, several.weights], 'the same bits');
  }
});

check('engine xla: several devices sum micro-batches, train a growing model, and take a step in pieces', async (t) => {
  const set = [
    'train={gradient_accumulation_steps: 2}',
    'plugins.scaling-schedule.file=schedule.yaml',
    // Needs the gradients of each step, so the optimizer runs on the first device.
    'plugins.health.spikes.loss.policy=skip',
  ];
  assertCloseRuns(t, await train(t, 2, ...set), await train(t, 1, ...set));
});

check('engine xla: dropout masks on several devices are those of one, also if a batch cannot be divided', async (t) => {
  for (const rows of [4, 3]) {
    const masked = async (devices: number): Promise<[bits: Float32Array, warnings: number]> => {
      await using made = await testRun({
        set: [`engine={use: xla, devices: ${String(devices)}}`, 'train.batch_size=4'],
      });
      const engine = made.run.container.resolve(Engine);
      await tf.setBackend(engine.backend);
      const ids = Int32Array.from({ length: rows * TIME }, (_, index) => index % 5);
      const values = tf.tidy(() => {
        const given = tf.tensor2d(ids, [rows, TIME], 'int32');
        const table = tf.variable(tf.reshape<tf.Rank.R2>(tf.linspace(1, 2, 5 * 7), [5, 7]));
        const mask = { rate: 0.4, key0: 11, key1: 12, firstRow: 5 };
        const recorded = engine.record!(
          [given],
          [mask],
          () => [dropout(embedding(given, table), mask)],
          () => undefined,
        );
        t.not(recorded.recording, undefined);
        const found = Float32Array.from(at(recorded.outputs, 0).dataSync());
        recorded.recording?.end?.();
        table.dispose();
        return found;
      });
      return [values, made.log.filter(({ level }) => level === 'warn').length];
    };
    const [[expected], [ours, warnings]] = [await masked(1), await masked(2)];
    t.deepEqual(ours, expected);
    t.is(warnings, rows % 2);
  }
});

check('engine xla: what XLA cannot divide is computed by each device on its rows', (t) => {
  const graph = new Graph('f32', 0, 2);
  const x = graph.argument({ shape: [4, 3], type: 'f32' }, true);
  const [y, sums] = graph.byRows([x], [x, { shape: [2], type: 'f32' }], ([own]) => [
    graph.mul(own!, own!),
    graph.reshape(graph.sum(own!), [1]),
  ]);
  const client = openDevice();
  const program = client.compile(graph.text([y!, sums!]), {}, 2);
  const values = Float32Array.from({ length: 12 }, (_, index) => index);
  const given = client.upload(values, 'float32', [4, 3], 2);
  const made = program.run([given], 2);
  const found = [new Float32Array(12), new Float32Array(2)];
  for (const [index, buffer] of made.entries()) buffer.read(found[index]!);
  t.deepEqual(found, [values.map((value) => value ** 2), Float32Array.of(15, 51)]);
  for (const buffer of [given, ...made]) buffer.destroy();
  program.destroy();
});

check('engine xla: a resumed run on two devices gives the same bits', async (t) => {
  const settings = [
    'engine={use: xla, devices: 2}',
    'data={text: text.txt}',
    'model={n_layer: 1, n_head: 2, n_embd: 16, block_size: 16, vocab_size: null, dropout: 0.1}',
    'train={batch_size: 4, gradient_accumulation_steps: 2}',
    'plugins.evaluation={interval: 4, iters: 2}',
  ].flatMap((setting) => ['--set', setting]);
  const { code, out, err } = await espalier(textFolder(t), 'verify-resume', '-n', '5', '-p', 'debug', ...settings);
  t.is(code, 0, out + err);
  t.regex(out, /the same run, bit for bit/);
});

test('engine xla: devices that are not there, or do not divide a batch, are refused', (t) => {
  const device = { facts: { deviceKinds: ['H200', 'H200', 'H200'] } };
  t.is(countDevices(device, 'all', 6), 3);
  t.is(countDevices(device, 2, 6), 2);
  t.throws(() => countDevices(device, 4, 8), { code: 'ESP_ENGINE', message: /engine\.devices is 4, .* shows 3: / });
  t.throws(() => countDevices(device, 'all', 8), { code: 'ESP_ENGINE', message: /batch_size is 8, which 3 devices / });
});
