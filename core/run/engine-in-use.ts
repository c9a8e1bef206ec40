import { isDeepStrictEqual } from 'node:util';
import type { CoreConfig } from '../config/schema.js';
import type { Engine } from '../contracts/engine.js';
import { UsageError } from '../errors.js';
import type { ConfiguredPlugin } from './container.js';

/** An engine as a run computes with it. */
export interface EngineUse {
  readonly plugin: ConfiguredPlugin;
  readonly engine: Engine;
  readonly precision: string;
}

/** By run. TensorFlow.js has one current backend, and engines one number of threads, for the whole process. */
const users = new Map<object, EngineUse>();

/** What runs of this process compute with now; undefined without one. */
export function engineInUse(): EngineUse | undefined {
  const [first] = users.values();
  return first;
}

/** @throws UsageError naming both, where another run of this process computes with another engine */
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

/** What a checkpoint says of the engine that computed it: variant, precision and threads. */
export function engineOf({ name, description }: Engine): string {
  return `${name}: ${description}`;
}

/** @throws UsageError when the engine does not compute in that precision */
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
