import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { startContestant, type Contestant } from './contestant.js';
import type { Shape } from './shapes.js';

export const threads = availableParallelism();
const worker = fileURLToPath(new URL('step-worker.js', import.meta.url));
const peer = fileURLToPath(new URL('../../../test/bench/peer.py', import.meta.url));

/** One of our engines, with `--set` settings such as `engine=native`, `precision=f32`; named with the precision it took. */
export async function ours(engine: string, shape: Shape, settings: readonly string[] = []): Promise<Contestant> {
  const args = [worker, JSON.stringify(shape), `engine=${engine}`, ...settings];
  const contestant = await startContestant(engine, process.execPath, args);
  return { ...contestant, name: `${engine} ${/, (f32|bf16),/.exec(contestant.description)?.[1] ?? 'f32'}` };
}

export interface Peer {
  readonly dtype: 'f32' | 'bf16';
  readonly compile?: boolean;
  readonly device?: 'cpu' | 'cuda';
  /** What PEER_PYTHON names. */
  readonly python: string;
}

/** PyTorch. */
export function pytorch(shape: Shape, { dtype, compile = false, device = 'cpu', python }: Peer): Promise<Contestant> {
  const name = `PyTorch ${dtype}${compile ? ' compiled' : ''}`;
  const flags = ['--dtype', dtype, '--device', device, '--threads', String(threads), ...(compile ? ['--compile'] : [])];
  return startContestant(name, python, [peer, JSON.stringify(shape), ...flags]);
}
