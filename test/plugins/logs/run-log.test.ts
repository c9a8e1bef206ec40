import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { z } from 'zod';
import { Logger, MetricNames, version, type Metrics } from '../../../core/index.js';
import { testRun, type TestRun } from '../../../plugins/testing/contract.js';
import { textFolder } from '../../text.js';

const settings = [
  'train.max_iters=6',
  'train.batch_size=2',
  'model={n_layer: 1, n_embd: 8, n_head: 1, block_size: 8}',
  'plugins.evaluation={interval: 3, iters: 1}',
  'plugins.training-metrics.interval=2',
];

const record = z.record(z.string(), z.unknown());

/** A run of a tiny model with its files in `out`, disposed after the test. */
async function made(t: ExecutionContext, folder: string, ...set: string[]): Promise<TestRun> {
  const run = await testRun({
    presets: ['debug'],
    cwd: folder,
    folder: path.join(folder, 'out'),
    config: { data: { text: 'text.txt' } },
    set,
  });
  t.teardown(() => run.dispose());
  return run;
}

function lines(folder: string, name: string): string[] {
  const content = readFileSync(path.join(folder, 'out', name), 'utf8');
  if (!content.endsWith('\n')) throw new Error(`${name} ends in the middle of a line`);
  return content.slice(0, -1).split('\n');
}

function facts(folder: string, name: string): Record<string, unknown>[] {
  return lines(folder, name).map((line) => record.parse(JSON.parse(line)));
}

/** `a=1 b=2` as an object. */
function valuesOf(line: string): Record<string, number> {
  return Object.fromEntries(
    line.split(' ').map((pair) => {
      const at = pair.indexOf('=');
      return [pair.slice(0, at), Number(pair.slice(at + 1))];
    }),
  );
}

function without(values: Readonly<Record<string, number>>, prefix: string): Record<string, number> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !name.startsWith(prefix)));
}

test('each line of metrics.jsonl has the values of one event, in order', async (t) => {
  const folder = textFolder(t);
  const { run } = await made(t, folder, ...settings);
  const expected: Record<string, unknown>[] = [];
  const clock: Record<string, unknown>[] = [];
  const names = run.container.resolve(MetricNames);
  run.bus.on('metrics', ({ iteration, values }) => {
    const split = names.split(values);
    const at = { iter: iteration, tokens: iteration * 16 };
    expected.push({ ...at, ...split.exact });
    if (Object.keys(split.clock).length > 0) clock.push({ ...at, ...split.clock });
  });
  await run.train();
  await run.dispose();
  const written = facts(folder, 'metrics.jsonl');
  t.deepEqual(
    written.map(({ iter }) => iter),
    [2, 3, 4, 6, 6],
  );
  t.deepEqual(written, expected);
  t.deepEqual(facts(folder, 'timings.jsonl'), clock);
  t.deepEqual(
    clock.map(({ iter }) => iter),
    [2, 4, 6],
  );
  t.deepEqual(Object.keys(written[0] ?? {}), ['iter', 'tokens', 'train/loss', 'lr', 'grad_norm']);
});

test('events.jsonl has one line per event, in order, from start to end', async (t) => {
  const folder = textFolder(t);
  const { run } = await made(t, folder, ...settings);
  await run.train();
  await run.dispose();
  const written = facts(folder, 'events.jsonl');
  t.is(written[0]?.['event'], 'run:start');
  t.is(written.at(-1)?.['event'], 'run:end');
  const { environment } = z.object({ environment: z.record(z.string(), z.string()) }).parse(written[0]);
  t.deepEqual(Object.keys(environment), ['espalier', 'node', 'engine', 'system', 'processor', 'memory']);
  t.is(environment['node'], process.version);
  const losses = written.filter(({ event, name }) => event === 'metric' && name === 'train/loss');
  t.deepEqual(
    losses.map(({ unit, what }) => [unit, what]),
    [['nats', 'mean training loss over the counted targets of one iteration']],
    'what a metric is, once',
  );
  t.deepEqual(
    written.filter(({ event }) => event === 'evaluation:end').map(({ iteration }) => iteration),
    [3, 6],
  );
  t.true(written.some(({ event, path: saved }) => event === 'checkpoint:saved' && saved === 'checkpoints/000006'));
  const times = written.map(({ time }) => Date.parse(String(time)));
  t.true(times.every((time, i) => time >= (times[i - 1] ?? 0)));
  t.deepEqual(written.at(-1), { ...written.at(-1), status: 'done', reasons: [], iteration: 6 });
});

test('run.log has all log lines with level and time; a resumed run appends to it', async (t) => {
  const folder = textFolder(t);
  for (const round of ['first', 'second']) {
    const { run } = await made(t, folder, ...settings, 'plugins.checkpoint=false');
    run.bus.on('iteration:start', ({ iteration }) => {
      if (iteration === 1) run.container.resolve(Logger).warn(`${round} warning`);
    });
    await run.train(round === 'second' ? 'a checkpoint of iteration 0' : undefined);
    await run.dispose();
    run.container.resolve(Logger).info('after the end');
  }
  const log = lines(folder, 'run.log');
  t.true(
    log.every((line) => /^\d{4}-\d\d-\d\dT[\d:.]+Z (info |warn |error) ./.test(line)),
    log.join('\n'),
  );
  t.deepEqual(
    log.filter((line) => line.includes(' warn ')).map((line) => line.split(' warn ')[1]?.trim()),
    ['first warning', 'second warning'],
  );
  t.false(log.some((line) => line.includes('after the end')));
  t.is(facts(folder, 'metrics.jsonl').length, 5, 'what came after the checkpoint is logged again');
});

test('a partial last line of a killed process does not merge with the next process’s lines', async (t) => {
  const folder = textFolder(t);
  const names = ['metrics.jsonl', 'timings.jsonl', 'events.jsonl', 'run.log', 'metrics.csv'];
  for (const round of ['first', 'second']) {
    const { run } = await made(t, folder, ...settings, 'plugins={csv: true, checkpoint: false}');
    await run.train(round === 'second' ? 'a checkpoint of iteration 0' : undefined);
    await run.dispose();
    if (round === 'first') for (const name of names) appendFileSync(path.join(folder, 'out', name), '{"iter":1,"ha');
  }
  const starts = facts(folder, 'events.jsonl').filter(({ event }) => event === 'run:start');
  t.is(starts.length, 2);
  t.is(facts(folder, 'metrics.jsonl').length, 5);
  facts(folder, 'timings.jsonl');
  for (const line of lines(folder, 'metrics.csv').slice(1)) t.regex(line, /^\d+,\d+,[a-z_/]+,[\d.e-]+$/);
  const log = lines(folder, 'run.log');
  t.true(log.includes('{"iter":1,"ha'), 'a text log keeps what was written');
});

test('run.log begins with a header and the config, and has a line for each logged step and metrics event', async (t) => {
  const folder = textFolder(t);
  const { run } = await made(t, folder, ...settings);
  const events: Metrics[] = [];
  run.bus.on('metrics', (event) => events.push(event));
  run.bus.listen({ plugin: 'test', event: 'iteration:end', critical: true }, async ({ iteration }) => {
    if (iteration !== 1) return;
    await run.bus.dispatch('metrics', { iteration: 2, values: { 'analysis/rank': 0.5, other: 1e-7 } });
    run.container.resolve(Logger).info('a text\nof two lines');
  });
  await run.train();
  await run.dispose();
  const log = lines(folder, 'run.log').map((line) => line.slice(line.indexOf(' ') + 7));
  const of = (word: string): string[] =>
    log.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
  const header = of('HEADER');
  t.is(header[0], `espalier ${version}`);
  t.is(header[1], 'run debug, in out');
  t.true(Math.abs(Date.parse(header[2]?.slice('date '.length) ?? '') - Date.now()) < 60_000);
  t.regex(header[3] ?? '', /^engine \w+: \S/);
  t.regex(header[4] ?? '', /^data text\.txt/);
  t.regex(header[5] ?? '', /^model [\d,]+ parameters, [\d,]+ of them trained$/);
  t.is(header[6], 'iterations 0 to 6');
  t.is(`${of('CONFIG').join('\n')}\n`, readFileSync(path.join(folder, 'out/config.yaml'), 'utf8'));
  t.deepEqual(
    of('STEP').map((line) => line.replaceAll(/=[\d.e+-]+/g, '=#')),
    [2, 3, 4, 6].map((step) => `${String(step)}/6 loss=# lr=# grad_norm=# tokens=#`),
  );
  t.deepEqual(
    of('METRICS').map(valuesOf),
    events.map(({ iteration, values: all }) => ({ iter: iteration, ...without(all, 'analysis/') })),
  );
  t.deepEqual(of('ANALYSIS'), ['iter=2 analysis/rank=0.5']);
  t.deepEqual(log.slice(log.indexOf('a text'), log.indexOf('a text') + 2), ['a text', 'of two lines']);
});

test('a log that cannot be written is reported, and the run continues', async (t) => {
  const folder = textFolder(t);
  mkdirSync(path.join(folder, 'out/metrics.jsonl'), { recursive: true });
  const { run } = await made(t, folder, ...settings);
  const told: string[] = [];
  run.container.resolve(Logger).addSink((level, line) => {
    if (level === 'warn') told.push(line);
  });
  t.is((await run.train()).status, 'done');
  await run.dispose();
  t.is(told.length, 2, told.join('\n'));
  t.regex(told[0] ?? '', /metrics\.jsonl cannot be written/);
  t.regex(told[1] ?? '', /metrics\.jsonl: \d+ bytes could not be written and were lost/);
  t.is(facts(folder, 'events.jsonl').at(-1)?.['event'], 'run:end');
});
