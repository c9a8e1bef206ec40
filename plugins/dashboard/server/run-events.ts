import { z } from 'zod';
import type { ScheduleStep, Start, TextSample } from '../page/protocol.js';
import { parsedJson } from './parsed.js';

/** Number of samples to keep: a run may write any number. */
const SAMPLES = 200;

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

/** The state of a run according to its events.jsonl. */
export class RunEvents {
  maxIters: number | null = null;
  starts: Start[] = [];
  /** Newest first. */
  samples: TextSample[] = [];
  /** Undefined until the first operation, which logs it. */
  schedule: ScheduleStep[] | undefined;
  /** Undefined if no end was logged since the last start. */
  end: { status: 'done' | 'stopped' | 'failed'; reasons: readonly string[]; iteration: number } | undefined;
  readonly units = new Map<string, { unit: string; what: string }>();

  /** Adds a line of events.jsonl; ignores other events and invalid lines. */
  add(line: string): void {
    const read = eventSchema.safeParse(parsedJson(line));
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

  /** Drops what happened after the iteration of this start: a resumed run repeats it, and logs it again. */
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
