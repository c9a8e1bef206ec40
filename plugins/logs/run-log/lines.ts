import { readFileSync } from 'node:fs';
import path from 'node:path';
import {
  version,
  type Dataset,
  type Engine,
  type IterationEnd,
  type Model,
  type RunFolder,
  type RunStart,
} from '../../../core/index.js';

/** Formats a message for `run.log`: `TIME LEVEL TEXT`, with time and level on each line of the text. */
export function logLines(at: Date, level: string, text: string): string[] {
  return text.split('\n').map((line) => `${at.toISOString()} ${level.padEnd(5)} ${line}`);
}

/** Returns the `HEADER` lines: what runs, and with what. */
export function headerLines(
  parts: { name: string; folder: RunFolder; engine: Engine; data: Dataset; model: Model },
  { iteration, maxIters, resumedFrom }: Pick<RunStart, 'maxIters' | 'resumedFrom'> & { iteration: number },
): string[] {
  const { name, folder, engine, data, model } = parts;
  const counts = model.parameterCounts();
  const sum = (key: 'total' | 'trainable'): string =>
    counts.reduce((total, count) => total + count[key], 0).toLocaleString('en-US');
  return [
    `espalier ${version}`,
    `run ${name}, in ${folder.shown}`,
    `date ${new Date().toUTCString()}`,
    `engine ${engine.name}: ${engine.description}`,
    `data ${data.description}`,
    `model ${sum('total')} parameters, ${sum('trainable')} of them trained`,
    `iterations ${String(iteration)} to ${String(maxIters)}${resumedFrom === undefined ? '' : `, from ${resumedFrom}`}`,
  ].map((line) => `HEADER ${line}`);
}

/** Returns the `CONFIG` lines: the content of `config.yaml`. */
export function configLines(folder: RunFolder): string[] {
  const yaml = readFileSync(path.join(folder.path, 'config.yaml'), 'utf8');
  return yaml
    .trimEnd()
    .split('\n')
    .map((line) => `CONFIG ${line}`);
}

/** Returns the `STEP` line of an iteration. */
export function stepLine({ iteration, maxIters, loss, learningRate, gradNorm, tokens }: IterationEnd): string {
  return `STEP ${String(iteration + 1)}/${String(maxIters)} loss=${loss.toFixed(4)} lr=${learningRate.toExponential(2)} grad_norm=${gradNorm.toPrecision(3)} tokens=${String(tokens)}`;
}

/** Returns a `METRICS` line with the values of an event, and an `ANALYSIS` line with those named `analysis/…`. */
export function metricLines(iteration: number, values: Readonly<Record<string, number>>): string[] {
  const all = Object.entries(values);
  const line = (word: string, some: [string, number][]): string[] =>
    some.length === 0
      ? []
      : [`${word} iter=${String(iteration)} ${some.map(([name, value]) => `${name}=${String(value)}`).join(' ')}`];
  const isAnalysis = ([name]: [string, number]): boolean => name.startsWith('analysis/');
  return [
    ...line(
      'METRICS',
      all.filter((entry) => !isAnalysis(entry)),
    ),
    ...line('ANALYSIS', all.filter(isAnalysis)),
  ];
}
