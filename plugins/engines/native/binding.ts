import { fileURLToPath } from 'node:url';
import load from 'node-gyp-build';
import type { Bf16Products } from './auto-precision.js';
import type { ArrayCalls } from './calls/arrays.js';
import type { AttentionCalls } from './calls/attention.js';
import type { ElementwiseCalls } from './calls/elementwise.js';
import type { LayerCalls } from './calls/layers.js';
import type { OptimizerCalls } from './calls/optimizer.js';
import type { ProductCalls } from './calls/products.js';

/** Which variant of the kernels is in use. */
export interface Variant extends Bf16Products {
  readonly name: string;
}

/** The addon. Sizes come first, then inputs, then outputs; it throws if an array's length does not fit the sizes. */
export interface NativeBinding
  extends ProductCalls, AttentionCalls, LayerCalls, ArrayCalls, ElementwiseCalls, OptimizerCalls {
  /**
   * Memory that is not cleared.
   * @param largePages if it is large: faster to use, slower to get
   * @throws RangeError when there is not so much
   */
  allocate(bytes: number, largePages: boolean): ArrayBuffer;
  /** Moves memory to large pages in the background, if it is large and the system has them; it can be used meanwhile. */
  useLargePages(memory: ArrayBuffer): Promise<void>;
  /** Threads of every kernel in this process; results do not depend on it. */
  setThreads(threads: number): void;
  /** Takes the variant of that name, the best one for an empty name. @throws Error when it is not there */
  useVariant(name: string): Variant;
  /** Variants that work on this processor, best first. */
  variants(): string[];
}

/** The plugin's folder with the addon, seen from `dist`. */
export const addonFolder = fileURLToPath(new URL('../../../../plugins/engines/native', import.meta.url));

let loaded: NativeBinding | undefined;

/** @throws Error when the addon was not built or does not load */
export function loadBinding(): NativeBinding {
  loaded ??= checked(load(addonFolder));
  return loaded;
}

/** A call of one of the addon's functions. */
export interface AddonCall {
  readonly method: (...args: never[]) => unknown;
  readonly args: unknown[];
}

/** The same addon; what is called of it is added to `calls`. */
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
  throw new Error(
    `the addon in ${addonFolder} is of another version of espalier; run \`espalier engine install native --force\``,
  );
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
