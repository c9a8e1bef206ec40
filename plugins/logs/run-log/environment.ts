import { arch, availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { type Engine, version } from '../../../core/index.js';

const GIB = 2 ** 30;

/** Describes what a run was computed with: versions, engine and machine. Contains no names of people or hosts. */
export function environment(engine: Engine): Record<string, string> {
  const [cpu] = cpus();
  return {
    espalier: version,
    node: process.version,
    engine: `${engine.name}: ${engine.description}`,
    system: `${type()} ${release()} ${arch()}`,
    processor: `${cpu?.model.trim() ?? 'unknown'}, ${String(availableParallelism())} threads`,
    memory: `${(totalmem() / GIB).toFixed(1)} GiB`,
  };
}
