import { z } from 'zod';
import type { ScheduleStep, Start, TextSample } from '../page/protocol.js';

/** Texts that are kept; a run may have written any number. */
const SAMPLES = 50;

const iteration = z.number();
const eventSchema = z.discriminatedUnion('event', [
  z.object({
    event: z.literal('run:start'),
    time: z.string(),
    iteration,
    max_iters: z.number(),
    resumed_from: z.string().nullable(),
    environment: z.record(z.string(), z.string()).default({}),
  }),
  z.object({ event: z.literal('metric'), name: z.string(), unit: z.string(), what: z.string() }),
  z.object({ event: z.literal('sample'), iteration, prompt: z.string(), text: z.string() }),
  z.object({
    event: z.literal('operation'),
    iteration,
    name: z.string(),
    outcome: z.string(),
    schedule: z.array(
      z.object({ name: z.string(), value: z.unknown(), completed: z.boolean(), desc: z.string().optional() }),
    ),
  }),
  z.object({
    event: z.literal('run:end'),
    time: z.string(),
    status: z.enum(['done', 'stopped', 'failed']),
    reasons: z.array(z.string()),
    iteration,
  }),
]);

/** What events.jsonl says of a run. */
export class RunEvents {
  maxIters: number | null = null;
  starts: Start[] = [];
  /** The newest first. */
  samples: TextSample[] = [];
  /** Undefined until an operation has told of it. */
  schedule: ScheduleStep[] | undefined;
  /** Undefined while no end was logged after the last start. */
  end: { status: 'done' | 'stopped' | 'failed'; reasons: readonly string[]; iteration: number } | undefined;
  readonly units = new Map<string, { unit: string; what: string }>();

  /** Takes a line; those that tell nothing of interest, and what is no line of ours, are left out. */
  add(line: string): void {
    const read = eventSchema.safeParse(json(line));
    if (!read.success) return;
    const { data } = read;
    switch (data.event) {
      case 'run:start':
        this.#start(data);
        break;
      case 'metric':
        this.units.set(data.name, { unit: data.unit, what: data.what });
        break;
      case 'sample':
        this.samples = [{ iteration: data.iteration, prompt: data.prompt, text: data.text }, ...this.samples].slice(
          0,
          SAMPLES,
        );
        break;
      case 'operation':
        this.#operation(data);
        break;
      case 'run:end':
        this.end = { status: data.status, reasons: data.reasons, iteration: data.iteration };
    }
  }

  /** What a run that goes on does again is forgotten: its log has it twice. */
  #start({ time, iteration: at, max_iters, resumed_from, environment }: EventOf<'run:start'>): void {
    this.maxIters = max_iters;
    this.end = undefined;
    this.samples = this.samples.filter((sample) => sample.iteration <= at);
    this.schedule = this.schedule?.map((step) =>
      step.at !== null && step.at > at ? { ...step, completed: false, at: null } : step,
    );
    this.starts.push({ time, iteration: at, resumedFrom: resumed_from, environment });
  }

  #operation({ iteration: at, schedule }: EventOf<'operation'>): void {
    const before = this.schedule;
    this.schedule = schedule.map(({ name, value, completed, desc = '' }, index) => ({
      name,
      value,
      completed,
      desc,
      at: completed ? (before?.[index]?.completed === true ? before[index].at : at) : null,
    }));
  }
}

type Event = z.output<typeof eventSchema>;
type EventOf<Name extends Event['event']> = Extract<Event, { event: Name }>;

function json(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
