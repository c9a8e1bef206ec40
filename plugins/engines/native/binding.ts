import { fileURLToPath } from 'node:url';
import { loadAddon } from '#native-addon';
import type { Bf16Products } from './auto-precision.js';
import type { ArrayCalls } from './calls/arrays.js';
import type { AttentionCalls } from './calls/attention.js';
import type { ElementwiseCalls } from './calls/elementwise.js';
import type { LayerCalls } from './calls/layers.js';
import type { OptimizerCalls } from './calls/optimizer.js';
import type { ProductCalls } from './calls/products.js';

/** The variant of the kernels in use. */
export interface Variant extends Bf16Products {
  readonly name: string;
}

/**
 * The addon. Arguments are sizes, then inputs, then outputs; it throws if an array's length does not match the sizes.
 */
export interface NativeBinding
  extends ProductCalls, AttentionCalls, LayerCalls, ArrayCalls, ElementwiseCalls, OptimizerCalls {
  /**
   * Allocates memory that is not cleared.
   * @param largePages use large pages for a large allocation: faster to use, slower to get
   * @throws RangeError if memory is short
   */
  allocate(bytes: number, largePages: boolean): ArrayBuffer;
  /** Moves large memory to large pages in the background, if the system has them; it can be used meanwhile. */
  useLargePages(memory: ArrayBuffer): Promise<void>;
  /** Sets the number of threads of all kernels in this process; results do not depend on it. */
  setThreads(threads: number): void;
  /** Selects a variant by name, or the best for an empty name. @throws Error if it is not available */
  useVariant(name: string): Variant;
  /** Returns the variants that work on this processor, best first. */
  variants(): string[];
}

/** The folder of the plugin with the addon, relative to `dist`. */
export const addonFolder = fileURLToPath(new URL('../../../../plugins/engines/native', import.meta.url));

interface Loaded {
  readonly binding: NativeBinding;
  /** Where the addon comes from, for the user. */
  readonly origin: string;
}

let loaded: Loaded | undefined;

/** @throws Error if there is no addon, or none loads */
export function loadBinding(): NativeBinding {
  return load().binding;
}

/** Returns where the addon comes from: built here, or a package. @throws as `loadBinding` */
export function addonOrigin(): string {
  return load().origin;
}

function load(): Loaded {
  if (loaded !== undefined) return loaded;
  const { addon, origin } = loadAddon(isBinding);
  return (loaded = { binding: checked(addon), origin });
}

/** A call of one of the addon's functions. */
export interface AddonCall {
  readonly method: (...args: never[]) => unknown;
  readonly args: unknown[];
}

/** Wraps the addon so that calls are added to `calls`. */
export function noting(binding: NativeBinding, calls: AddonCall[]): NativeBinding {
  const methods = Object.entries<AddonCall['method']>({ ...binding }).map(([name, method]) => {
    const noted = (...args: unknown[]): unknown => {
      calls.push({ method, args });
      return Reflect.apply(method, undefined, args);
    };
    return [name, noted] as const;
  });
  return checked(Object.fromEntries(methods));
}

function checked(addon: unknown): NativeBinding {
  if (isBinding(addon)) return addon;
  throw new Error('the addon is of another version of espalier');
}

function isBinding(addon: unknown): addon is NativeBinding {
  const names = [
    'matrixProduct',
    'rmsNorm',
    'attention',
    'adamwStep',
    'elementwise',
    'rowStepNames',
    'reduce',
    'allocate',
    'useLargePages',
    'useVariant',
    'variants',
  ];
  return typeof addon === 'object' && addon !== null && names.every((name) => name in addon);
}
