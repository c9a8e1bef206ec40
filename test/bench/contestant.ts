import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { z } from 'zod';

/** A request to a measured process. For generation a step is one token, and `times` holds their mean. */
export type Question = { readonly steps: number } | { readonly product: number };

const readySchema = z.object({ ready: z.string() });
const answerSchema = z.object({
  times: z.array(z.number()),
  peakBytes: z.number(),
  residentBytes: z.number(),
  /** Processor time of the process per step; only from processes that measure training steps. */
  hostMilliseconds: z.number().default(NaN),
});
export type Answer = z.output<typeof answerSchema>;

/** A measured process. It waits for requests, so that several can take turns on one machine. */
export interface Contestant {
  readonly name: string;
  /** Version, kernels and threads, as the process reports them. */
  readonly description: string;
  ask(question: Question): Promise<Answer>;
  stop(): Promise<void>;
}

/** Milliseconds that a process may take to start: on a busy machine PyTorch compiles for a minute. */
const MOST_START = 240_000;

/** @throws Error with the end of its output, when the process exits or is not ready in time */
export async function startContestant(name: string, program: string, args: readonly string[]): Promise<Contestant> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let complaints = '';
  child.stderr.on('data', (data: Buffer) => (complaints = (complaints + data.toString()).slice(-2000)));
  const closed = new Promise<void>((resolve) => {
    child.on('error', (error) => (complaints += error.message));
    child.on('close', () => {
      resolve();
    });
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`${name} ended: ${complaints.trim()}`);
    return JSON.parse(value);
  };
  const late = setTimeout(() => {
    complaints += `it was not ready after ${String(MOST_START / 1000)} s`;
    child.kill('SIGKILL');
  }, MOST_START);
  const first = await next().finally(() => {
    clearTimeout(late);
  });
  const { ready } = readySchema.parse(first);
  return {
    name,
    description: ready,
    ask: async (question) => {
      child.stdin.write(`${JSON.stringify(question)}\n`);
      return answerSchema.parse(await next());
    },
    stop: async () => {
      child.stdin.end();
      await closed;
    },
  };
}
