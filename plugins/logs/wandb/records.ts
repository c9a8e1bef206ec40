import protobuf from 'protobufjs';
import { z } from 'zod';

/**
 * The records of a run file: the parts of W&B's `wandb_internal.proto` that are needed here.
 */
const { Root } = protobuf;
const item = { key: { type: 'string', id: 1 }, value_json: { type: 'string', id: 16 } };
const items = (id: number) => ({ rule: 'repeated', type: 'Item', id }) as const;
const time = (id: number) => ({ type: 'Timestamp', id }) as const;

const recordType = Root.fromJSON({
  nested: {
    Item: { fields: item },
    Timestamp: { fields: { seconds: { type: 'int64', id: 1 }, nanos: { type: 'int32', id: 2 } } },
    Step: { fields: { num: { type: 'int64', id: 1 } } },
    History: { fields: { item: items(1), step: { type: 'Step', id: 2 } } },
    Updates: { fields: { update: items(1) } },
    Stats: { fields: { timestamp: time(2), item: items(3) } },
    Output: { fields: { output_type: { type: 'int32', id: 1 }, timestamp: time(2), line: { type: 'string', id: 3 } } },
    File: {
      fields: {
        path: { type: 'string', id: 1 },
        policy: { type: 'int32', id: 2 },
        type: { type: 'int32', id: 3 },
      },
    },
    Files: { fields: { files: { rule: 'repeated', type: 'File', id: 1 } } },
    BranchPoint: {
      fields: {
        run: { type: 'string', id: 1 },
        value: { type: 'double', id: 2 },
        metric: { type: 'string', id: 3 },
      },
    },
    Run: {
      fields: {
        run_id: { type: 'string', id: 1 },
        entity: { type: 'string', id: 2 },
        project: { type: 'string', id: 3 },
        config: { type: 'Updates', id: 4 },
        run_group: { type: 'string', id: 6 },
        job_type: { type: 'string', id: 7 },
        display_name: { type: 'string', id: 8 },
        notes: { type: 'string', id: 9 },
        tags: { rule: 'repeated', type: 'string', id: 10 },
        host: { type: 'string', id: 13 },
        start_time: time(17),
        branch_point: { type: 'BranchPoint', id: 23 },
      },
    },
    Exit: { fields: { exit_code: { type: 'int32', id: 1 }, runtime: { type: 'int32', id: 2 } } },
    Empty: { fields: {} },
    Info: { fields: { stream_id: { type: 'string', id: 1 } } },
    Record: {
      fields: {
        num: { type: 'int64', id: 1 },
        history: { type: 'History', id: 2 },
        summary: { type: 'Updates', id: 3 },
        files: { type: 'Files', id: 6 },
        stats: { type: 'Stats', id: 7 },
        output_raw: { type: 'Output', id: 13 },
        run: { type: 'Run', id: 17 },
        exit: { type: 'Exit', id: 18 },
        header: { type: 'Empty', id: 21 },
        footer: { type: 'Empty', id: 22 },
        _info: { type: 'Info', id: 200 },
      },
    },
  },
}).lookupType('Record');

const text = z.string().default('');
const whole = z.int().default(0);
const itemsSchema = z.array(z.object({ key: text, value_json: text })).default([]);
const updatesSchema = z.object({ update: itemsSchema });
const timeSchema = z.object({ seconds: whole, nanos: whole });

/** Missing fields get protobuf's defaults: nothing, 0 or an empty text. */
const recordSchema = z.object({
  num: whole,
  history: z.object({ item: itemsSchema, step: z.object({ num: whole }) }).optional(),
  summary: updatesSchema.optional(),
  files: z.object({ files: z.array(z.object({ path: text, policy: whole, type: whole })).default([]) }).optional(),
  stats: z.object({ timestamp: timeSchema, item: itemsSchema }).optional(),
  output_raw: z.object({ output_type: whole, timestamp: timeSchema, line: text }).optional(),
  run: z
    .object({
      run_id: text,
      entity: text,
      project: text,
      config: updatesSchema.optional(),
      run_group: text,
      job_type: text,
      display_name: text,
      notes: text,
      tags: z.array(z.string()).default([]),
      host: text,
      start_time: timeSchema,
      branch_point: z.object({ run: text, value: z.number().default(0), metric: text }).optional(),
    })
    .optional(),
  exit: z.object({ exit_code: whole, runtime: whole }).optional(),
  header: z.object({}).optional(),
  footer: z.object({}).optional(),
  _info: z.object({ stream_id: text }).optional(),
});

/** A record of a run file. Has exactly one part besides `num` and `_info`. */
export type WandbRecord = z.output<typeof recordSchema>;
export type RunPart = NonNullable<WandbRecord['run']>;
/** A key and its value as JSON. */
export type Item = z.output<typeof itemsSchema>[number];
export type Time = z.output<typeof timeSchema>;

/** Values of `output_type`. */
export const STDERR = 0;
export const STDOUT = 1;
/** `type` of a file that a history row refers to. */
export const MEDIA = 2;

export function encodeRecord(record: WandbRecord): Uint8Array {
  return recordType.encode(record).finish();
}

/** Decodes a record. @throws Error when the bytes are not one */
export function decodeRecord(bytes: Uint8Array): WandbRecord {
  return recordSchema.parse(recordType.toObject(recordType.decode(bytes), { longs: Number }));
}

/** Converts a value to JSON as W&B expects it, with NaN and infinities as strings. */
export function jsonOf(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'number' && !Number.isFinite(each) ? String(each) : each,
  );
}

export function itemsOf(values: Readonly<Record<string, unknown>>): Item[] {
  return Object.entries(values).map(([key, value]) => ({ key, value_json: jsonOf(value) }));
}

/** @param ms since 1970 */
export function timeOf(ms: number): Time {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: Math.round((ms - 1000 * seconds) * 1e6) };
}

/** Returns seconds since 1970. */
export function secondsOf({ seconds, nanos }: Time): number {
  return seconds + nanos / 1e9;
}

/** Numbers of lines of each kind, by which a server counts a run. */
export class Lines {
  constructor(
    public history = 0,
    public events = 0,
    public output = 0,
  ) {}

  count({ history, stats, output_raw: line }: WandbRecord): void {
    if (history !== undefined) this.history++;
    if (stats !== undefined) this.events++;
    if (line !== undefined) this.output++;
  }

  copy(): Lines {
    return new Lines(this.history, this.events, this.output);
  }
}
