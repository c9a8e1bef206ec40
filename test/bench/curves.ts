// `node dist/test/bench/curves.js OUT.svg LABEL=RUN …`: draws validation loss against time from runs' events.jsonl.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { chart, type Curve } from './chart.js';

const [out = '', ...given] = process.argv.slice(2);
const curves = given.map((argument): Curve => {
  const [label = '', run = ''] = argument.split('=');
  return { label, points: pointsOf(path.join(run, 'events.jsonl')) };
});
writeFileSync(out, chart(curves, 'seconds of training'));

function pointsOf(file: string): [number, number][] {
  const events = readFileSync(file, 'utf8').trim().split('\n');
  const parsed = events.map((text) => JSON.parse(text) as { time: string; event: string; 'val/loss'?: number });
  const start = Date.parse(parsed[0]?.time ?? '');
  return parsed.flatMap(({ time, 'val/loss': loss }) =>
    loss === undefined ? [] : [[(Date.parse(time) - start) / 1000, loss] satisfies [number, number]],
  );
}
