import { tf } from '../../../core/index.js';
import { at, type Attributes, firstOf, type Op, runKernel } from './kernel.js';

/**
 * Names of the activations:
 * - `gelu`: x · Φ(x), Φ being the normal distribution: Hendrycks and Gimpel, "Gaussian error linear units (GELUs)",
 *   2016.
 * - `gelu_tanh`: x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))): the same paper, section 2; GPT-2's.
 * - `silu`: x / (1 + e^-x), also called Swish: the same paper, section 2.
 * - `relu`: max(x, 0).
 * - `relu2`: its square: So et al., "Primer: searching for efficient transformers for language modeling", 2021,
 *   section 3.
 */
export const ACTIVATIONS = ['gelu', 'gelu_tanh', 'silu', 'relu', 'relu2'] as const;
export type Activation = (typeof ACTIVATIONS)[number];

/** Applies an activation by name to each element; any shape. */
export function activation<T extends tf.Tensor>(x: T, kind: Activation): T {
  return runKernel<T>('EspalierActivation', { x }, { kind });
}

/**
 * Returns x · Φ(x), Φ being the normal distribution (exact GELU, not the tanh form); any shape. Source: see
 * `Activation`.
 */
export function gelu<T extends tf.Tensor>(x: T): T {
  return activation(x, 'gelu');
}

/** Returns x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))), GPT-2's GELU; any shape. Source: see `Activation`. */
export function geluTanh<T extends tf.Tensor>(x: T): T {
  return activation(x, 'gelu_tanh');
}

/** Returns x / (1 + e^-x), also called Swish; any shape. Source: see `Activation`. */
export function silu<T extends tf.Tensor>(x: T): T {
  return activation(x, 'silu');
}

/** Returns max(x, 0)²; any shape. Source: see `Activation`. */
export function reluSquared<T extends tf.Tensor>(x: T): T {
  return activation(x, 'relu2');
}

/** For kernels: returns the activation that the attributes name. @throws Error if there is no such activation */
export function activationIn(attributes: Attributes): Activation {
  const named = attributes.text('kind');
  const kind = ACTIVATIONS.find((each) => each === named);
  if (kind === undefined) throw new Error(`there is no activation ${String(named)}: ${ACTIVATIONS.join(', ')}`);
  return kind;
}

export const activationOp: Op = {
  kernels: [
    {
      name: 'EspalierActivation',
      compute: (inputs, attributes) => composites[activationIn(attributes)].of(inputs.get('x')),
    },
    {
      name: 'EspalierActivationGrad',
      compute: (inputs, attributes) => composites[activationIn(attributes)].gradient(inputs.get('x'), inputs.get('dy')),
    },
  ],
  gradients: [
    {
      kernelName: 'EspalierActivation',
      inputsToSave: ['x'],
      gradFunc: (dys, saved, attributes) => ({
        x: () => runKernel('EspalierActivationGrad', { dy: firstOf(dys), x: at(saved, 0) }, attributes),
      }),
    },
  ],
};

interface Composite {
  readonly of: (x: tf.Tensor) => tf.Tensor;
  /** Returns `dy` times the derivative at x. */
  readonly gradient: (x: tf.Tensor, dy: tf.Tensor) => tf.Tensor;
}

const CUBIC = 0.044715;
/** tanh(u) = 2 σ(2u) - 1, with σ the logistic function. */
const TWICE_ROOT = 2 * Math.sqrt(2 / Math.PI);

const composites: Readonly<Record<Activation, Composite>> = {
  gelu: {
    of: (x) => tf.mul(tf.mul(x, 0.5), tf.add(erf(tf.mul(x, Math.SQRT1_2)), 1)),
    gradient: (x, dy) => {
      const scaled = tf.mul(x, Math.SQRT1_2);
      // Φ(x) + x φ(x), with s = x / √2: (1 + erf(s) + 2/√π · s · exp(-s²)) / 2.
      const bell = tf.mul(tf.mul(scaled, tf.exp(tf.neg(tf.square(scaled)))), 2 / Math.sqrt(Math.PI));
      return tf.mul(tf.mul(dy, 0.5), tf.add(tf.add(erf(scaled), bell), 1));
    },
  },
  gelu_tanh: {
    of: (x) => tf.mul(x, tf.sigmoid(tanhArgument(x))),
    gradient: (x, dy) => {
      const steepness = tf.add(tf.mul(tf.square(x), 3 * TWICE_ROOT * CUBIC), TWICE_ROOT);
      return tf.mul(dy, gatedSlope(x, tanhArgument(x), steepness));
    },
  },
  silu: {
    of: (x) => tf.mul(x, tf.sigmoid(x)),
    gradient: (x, dy) => tf.mul(dy, gatedSlope(x, x)),
  },
  relu: {
    of: (x) => tf.relu(x),
    gradient: (x, dy) => tf.mul(dy, tf.cast(tf.greater(x, 0), 'float32')),
  },
  relu2: {
    of: (x) => tf.square(tf.relu(x)),
    gradient: (x, dy) => tf.mul(dy, tf.mul(tf.relu(x), 2)),
  },
};

/** Returns 2 √(2/π) (x + 0.044715 x³). */
function tanhArgument(x: tf.Tensor): tf.Tensor {
  return tf.mul(x, tf.add(tf.mul(tf.square(x), TWICE_ROOT * CUBIC), TWICE_ROOT));
}

/**
 * Returns the derivative of x · σ(u), σ being the logistic function: σ(u) + x σ(u) σ(-u) u'. @param steepness u';
 * default 1
 */
function gatedSlope(x: tf.Tensor, u: tf.Tensor, steepness?: tf.Tensor): tf.Tensor {
  const gate = tf.sigmoid(u);
  // σ(-u) rather than 1 - σ(u), which loses all digits for large u.
  const risen = tf.mul(tf.mul(x, gate), tf.sigmoid(tf.neg(u)));
  return tf.add(gate, steepness === undefined ? risen : tf.mul(risen, steepness));
}

function erf(x: tf.Tensor): tf.Tensor {
  // tfjs declares it as always defined.
  const kernel: unknown = tf.getKernel('Erf', tf.getBackend());
  return kernel === undefined ? erfOfBasics(x) : tf.erf(x);
}

/** Approximates erf within 1.5e-7. Source: Abramowitz and Stegun, formula 7.1.26. */
function erfOfBasics(x: tf.Tensor): tf.Tensor {
  const magnitude = tf.abs(x);
  const t = tf.reciprocal(tf.add(tf.mul(magnitude, 0.3275911), 1));
  const polynomial = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592].reduce<tf.Tensor>(
    (sum, coefficient) => tf.mul(tf.add(sum, coefficient), t),
    tf.zerosLike(t),
  );
  return tf.mul(tf.sign(x), tf.sub(1, tf.mul(polynomial, tf.exp(tf.neg(tf.square(x))))));
}
