import { isDeepStrictEqual } from 'node:util';
import type { CoreConfig } from '../config/schema.js';
import type { Engine } from '../contracts/engine.js';
import { UsageError } from '../errors.js';
import type { ConfiguredPlugin } from './container.js';

/** An engine with the options that a run uses. */
export interface EngineUse {
  readonly plugin: ConfiguredPlugin;
  readonly engine: Engine;
  readonly precision: string;
}

/** By run. TensorFlow.js has one current backend, and an engine one number of threads, per process. */
const users = new Map<object, EngineUse>();

/** Returns the engine that runs of this process use; undefined if there are none. */
export function engineInUse(): EngineUse | undefined {
  const [first] = users.values();
  return first;
}

/** Claims the engine for a run. @throws UsageError naming both, if another run of this process uses another engine */
export function claimEngine(run: object, use: EngineUse): void {
  const other = engineInUse();
  if (other !== undefined && !isSame(other, use)) {
    const [theirs, ours] = [other.engine.name, use.engine.name];
    const how = theirs === ours ? `${ours} with other options` : ours;
    throw new UsageError(
      'ESP_ENGINE_IN_USE',
      `another run of this process computes with engine ${theirs}, and this one asks for ${how}: runs that exist at the same time share one engine; dispose the other run first, or choose the same engine`,
    );
  }
  users.set(run, use);
}

export function releaseEngine(run: object): void {
  users.delete(run);
}

/** Returns how a checkpoint describes its engine: variant, precision and threads. */
export function engineOf({ name, description }: Engine): string {
  return `${name}: ${description}`;
}

/** @throws UsageError if the engine does not support that precision */
export function checkPrecision(engine: Engine, precision: CoreConfig['precision']): void {
  const known = engine.precisions ?? ['f32'];
  if (precision === 'auto' || known.includes(precision)) return;
  throw new UsageError(
    'ESP_ENGINE_PRECISION',
    `precision ${precision}: engine ${engine.name} computes in ${known.join(' and ')}; choose another engine, or precision: auto`,
  );
}

function isSame(one: EngineUse, other: EngineUse): boolean {
  return isDeepStrictEqual(traits(one), traits(other));
}

function traits({ plugin, engine, precision }: EngineUse): unknown {
  const chosen = (engine.precisions?.length ?? 1) > 1 ? precision : engine.backend;
  return [plugin.options.name, plugin.config, engine.backend, chosen];
}
