import { execFileSync } from 'node:child_process';
import { z } from 'zod';
import { peersPython, python } from '../../needs.js';

/** JSON has no other way to say them. */
const scalar = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity'])]);
const point = <T extends z.ZodType>(value: T): z.ZodTuple<[z.ZodInt, T]> => z.tuple([z.int(), value]);
const histogram = z.strictObject({
  min: z.number(),
  max: z.number(),
  num: z.number(),
  sum: z.number(),
  sum_squares: z.number(),
  bucket_limit: z.array(z.number()),
  bucket: z.array(z.number()),
});
const content = z.strictObject({
  scalars: z.record(z.string(), z.array(point(scalar))),
  histograms: z.record(z.string(), z.array(point(histogram))),
  texts: z.record(z.string(), z.array(point(z.string()))),
});
export type EventContent = z.output<typeof content>;

/** TensorBoard's own reader: [step, value] by tag. */
const READER = `
import json, math, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
js = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "histograms": 0, "tensors": 0}).Reload()
tags = events.Tags()
text = [tag for tag in tags["tensors"] if events.SummaryMetadata(tag).plugin_data.plugin_name == "text"]
assert sorted(text) == sorted(tags["tensors"]), tags
json.dump({
    "scalars": {tag: [(e.step, e.value if math.isfinite(e.value) else js[str(e.value)]) for e in events.Scalars(tag)] for tag in tags["scalars"]},
    "histograms": {tag: [(e.step, vars(e.histogram_value)) for e in events.Histograms(tag)] for tag in tags["histograms"]},
    "texts": {tag: [(e.step, e.tensor_proto.string_val[0].decode()) for e in events.Tensors(tag)] for tag in text},
}, sys.stdout)
`;

export const tensorboard = python('tensorboard');

/** What TensorBoard finds in a folder; undefined where it is not installed. */
export function readByTensorBoard(folder: string): EventContent | undefined {
  if (tensorboard.missing !== undefined) return undefined;
  const out = execFileSync(peersPython, ['-c', READER, folder], { stdio: 'pipe', maxBuffer: 1 << 28 });
  return content.parse(JSON.parse(out.toString()));
}
