import { closeSync, existsSync, openSync, readFileSync, truncateSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { FILE_HEADER, readRecords } from '../../../../plugins/logs/wandb/blocks.js';
import { resumeFile } from '../../../../plugins/logs/wandb/resumed-file.js';
import { histogramValue, Recorder, type Row } from '../../../../plugins/logs/wandb/recorder.js';
import { decodeRecord, type Item, type WandbRecord } from '../../../../plugins/logs/wandb/records.js';
import { RunFile } from '../../../../plugins/logs/wandb/run-file.js';
import { emptyFolder } from '../../../e2e/command.js';
import { run } from './run-part.js';

function recordsIn(file: string): WandbRecord[] {
  const descriptor = openSync(file, 'r');
  try {
    return [...readRecords(descriptor, FILE_HEADER.length)].map(({ bytes }) => decodeRecord(bytes));
  } finally {
    closeSync(descriptor);
  }
}

/** Rows of a file, without what the clock says. */
function rowsIn(file: string): Record<string, unknown>[] {
  return recordsIn(file).flatMap(({ history }) => (history === undefined ? [] : [valuesOf(history.item)]));
}

function valuesOf(items: readonly Item[]): Record<string, unknown> {
  const own = items.filter(({ key }) => key !== '_runtime' && key !== '_timestamp');
  return Object.fromEntries(own.map(({ key, value_json: json }) => [key, JSON.parse(json)]));
}

function recorderOf(folder: string, soFar?: ReturnType<typeof resumeFile>, open?: Row): Recorder {
  const fail = (line: string): never => {
    throw new Error(line);
  };
  const file = new RunFile(path.join(folder, 'run.wandb'), {
    runId: 'abc',
    position: soFar?.position ?? 0,
    records: soFar?.records ?? 0,
    onFailure: fail,
  });
  if (soFar === undefined) file.write({ run });
  return new Recorder({
    file,
    filesFolder: path.join(folder, 'files'),
    soFar,
    rowsBefore: 0,
    open,
    warn: fail,
  });
}

test('values of an iteration share a row; later values get a row of their own with the same step', async (t) => {
  const folder = emptyFolder(t);
  const recorder = recorderOf(folder);
  recorder.values(1, 8, { a: 1 });
  recorder.values(1, 10, { b: NaN });
  recorder.values(3, 30, { a: 3 });
  recorder.values(2, 30, { late: 2, a: 2 });
  t.is(recorder.rows, 3);
  await recorder.flush();
  recorder.values(3, 30, { c: -Infinity });
  recorder.values(4, 40, { h: histogramValue([0, 1, 2], [5, 6]) });
  recorder.sample(4, 40, { prompt: 'p', text: 't' });
  recorder.sample(4, 40, { prompt: 'q', text: 'u' });
  await recorder.finish(3);
  const file = path.join(folder, 'run.wandb');
  const rows = rowsIn(file);
  const { samples } = rows[4] as { samples: { path: string; nrows: number; _type: string } };
  t.deepEqual(rows, [
    { iter: 1, tokens: 10, a: 1, b: 'NaN', _step: 1 },
    { iter: 2, tokens: 30, late: 2, a: 2, _step: 2 },
    { iter: 3, tokens: 30, a: 3, _step: 3 },
    { iter: 3, tokens: 30, c: '-Infinity', _step: 3 },
    { iter: 4, tokens: 40, h: { _type: 'histogram', bins: [0, 1, 2], values: [5, 6] }, samples, _step: 4 },
  ]);
  t.like(samples, { _type: 'table-file', nrows: 2 });
  const table = readFileSync(path.join(folder, 'files', samples.path), 'utf8');
  t.deepEqual(JSON.parse(table), {
    columns: ['iter', 'prompt', 'text'],
    data: [
      [4, 'p', 't'],
      [4, 'q', 'u'],
    ],
  });
  t.like(recorder.summary, { a: 3, b: 'NaN', late: 2, c: '-Infinity', _step: 4 });
  const last = recordsIn(file);
  t.is(last.at(-2)?.exit?.exit_code, 3);
  t.deepEqual(
    last.flatMap(({ files }) => files?.files ?? []).map((each) => each.path),
    [samples.path],
  );
});

test('a resumed run continues the last row of its iteration, with values from before and after the stop', async (t) => {
  const folder = emptyFolder(t);
  const file = path.join(folder, 'run.wandb');
  const first = recorderOf(folder);
  first.values(1, 10, { a: 1 });
  t.is(first.rowsAt(2), undefined);
  first.values(2, 20, { a: 2 });
  first.values(2, 20, { b: NaN });
  first.sample(2, 20, { prompt: 'p', text: 'before' });
  await first.flush();
  const last = structuredClone(first.rowsAt(2));
  t.is(last?.count, 1);
  t.is(first.rows, 2);
  first.sample(2, 20, { prompt: 'q', text: 'lost with the process' });
  await first.finish(143);

  const soFar = resumeFile(
    file,
    (step) => step < 2,
    (part) => part,
  );
  t.is(soFar.gone.size, 2);
  t.false(recordsIn(file).some(({ files }) => files !== undefined));
  const second = recorderOf(folder, soFar, last?.row);
  t.is(second.rows, 2);
  second.sample(2, 20, { prompt: 'q', text: 'after' });
  second.values(3, 30, { a: 3 });
  await second.finish(0);
  const rows = rowsIn(file);
  const { samples } = rows[1] as { samples: { path: string } };
  t.deepEqual(rows, [
    { iter: 1, tokens: 10, a: 1, _step: 1 },
    { iter: 2, tokens: 20, a: 2, b: 'NaN', samples, _step: 2 },
    { iter: 3, tokens: 30, a: 3, _step: 3 },
  ]);
  const table = JSON.parse(readFileSync(path.join(folder, 'files', samples.path), 'utf8')) as { data: unknown };
  t.deepEqual(table.data, [
    [2, 'p', 'before'],
    [2, 'q', 'after'],
  ]);
});

test('a resumed run removes the rows it writes again, and keeps console lines and system metrics', async (t) => {
  const folder = emptyFolder(t);
  const file = path.join(folder, 'run.wandb');
  const recorder = recorderOf(folder);
  for (const step of [1, 2, 3, 4]) {
    recorder.values(step, step, { a: step, [`only${step}`]: step });
    recorder.closeRow();
    recorder.console(`printed at ${step}\ntwo lines`, step === 4);
    recorder.system({ process_rss_mb: step });
  }
  await recorder.finish(0);
  truncateSync(file, readFileSync(file).length - 3);

  const soFar = resumeFile(
    file,
    (step) => step <= 2,
    (old) => ({ ...old, display_name: 'renamed' }),
  );
  t.like(soFar, { lines: { history: 2, events: 4, output: 8 }, untouched: { history: 2, events: 2, output: 4 } });
  t.deepEqual([...soFar.summary.keys()].includes('only3'), false);
  const resumed = recorderOf(folder, soFar);
  t.like(resumed.summary, { a: 2, only2: 2 });
  for (const step of [3, 4]) resumed.values(step, step, { a: step, [`only${step}`]: step });
  t.is(resumed.rows, 4);
  await resumed.finish(0);

  const records = recordsIn(file);
  t.deepEqual(
    rowsIn(file).map((row) => row['_step']),
    [1, 2, 3, 4],
  );
  t.is(records.filter(({ exit }) => exit !== undefined).length, 1);
  t.is(records.filter(({ output_raw: line }) => line !== undefined).length, 8);
  t.is(records.filter(({ stats }) => stats?.item[0]?.key === 'proc.memory.rssMB').length, 4);
  t.is(records.find((each) => each.run !== undefined)?.run?.display_name, 'renamed');
  const numbers = records.map(({ num }) => num);
  t.deepEqual(
    numbers,
    numbers.toSorted((a, b) => a - b),
  );
  t.false(existsSync(`${file}.new`));
});
