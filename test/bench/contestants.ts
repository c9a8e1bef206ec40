import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { startContestant, type Contestant } from './contestant.js';
import type { Shape } from './shapes.js';

export const threads = availableParallelism();
const worker = fileURLToPath(new URL('step-worker.js', import.meta.url));
const sampler = fileURLToPath(new URL('sample-worker.js', import.meta.url));
const peer = fileURLToPath(new URL('../../../test/bench/peer.py', import.meta.url));

/**
 * Starts one of our engines, with `--set` settings such as `engine=native`, `precision=f32`; its name includes the
 * precision.
 */
export async function ours(engine: string, shape: Shape, settings: readonly string[] = []): Promise<Contestant> {
  const args = [worker, JSON.stringify(shape), `engine=${engine}`, ...settings];
  const contestant = await startContestant(engine, process.execPath, args);
  return { ...contestant, name: `${engine} ${/, (f32|bf16)(?:,|$)/.exec(contestant.description)?.[1] ?? 'f32'}` };
}

/** A text to generate after `prompt`, with a model of random weights. */
export interface SamplingRequest {
  readonly shape: Shape;
  readonly prompt: readonly number[];
  readonly temperature: number;
  readonly topK: number;
}

/** Starts one of our engines to generate text. */
export function oursSampling(engine: string, request: SamplingRequest, precision: Peer['dtype']): Promise<Contestant> {
  const args = [sampler, JSON.stringify(request), `engine=${engine}`, `precision=${precision}`];
  return startContestant(`${engine} ${precision}`, process.execPath, args);
}

/** Starts transformers' `generate`; with bf16, its weights are bf16 too. */
export function transformers(
  { shape, ...sampling }: SamplingRequest,
  { dtype, python }: Pick<Peer, 'dtype' | 'python'>,
): Promise<Contestant> {
  const flags = ['--dtype', dtype, '--threads', String(threads), '--sample', JSON.stringify(sampling)];
  return startContestant(`transformers ${dtype}`, python, [peer, JSON.stringify(shape), ...flags]);
}

export interface Peer {
  readonly dtype: 'f32' | 'bf16';
  readonly compile?: boolean;
  readonly device?: 'cpu' | 'cuda';
  /** Python to run, from `PEER_PYTHON`. */
  readonly python: string;
}

/** Starts PyTorch. */
export function pytorch(shape: Shape, { dtype, compile = false, device = 'cpu', python }: Peer): Promise<Contestant> {
  const name = `PyTorch ${dtype}${compile ? ' compiled' : ''}`;
  const flags = ['--dtype', dtype, '--device', device, '--threads', String(threads), ...(compile ? ['--compile'] : [])];
  return startContestant(name, python, [peer, JSON.stringify(shape), ...flags]);
}
