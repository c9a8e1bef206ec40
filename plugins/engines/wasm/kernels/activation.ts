import { type Activation, activationIn } from '../../../ops/contract.js';
import { near, tableOf } from './activation-tables.js';
import type { HeapKernel } from './heap.js';

export const activationKernels: readonly HeapKernel[] = [
  {
    name: 'EspalierActivation',
    compute: (inputs, attributes, heap) => {
      const x = inputs.get('x');
      const y = heap.allocate(x.shape);
      activate(activationIn(attributes), heap.floats(x), heap.floats(y));
      return y;
    },
  },
  {
    name: 'EspalierActivationGrad',
    compute: (inputs, attributes, heap) => {
      const [dy, x] = [inputs.get('dy'), inputs.get('x')];
      const dx = heap.allocate(x.shape);
      multiplyBySlope(activationIn(attributes), heap.floats(dy), heap.floats(x), heap.floats(dx));
      return dx;
    },
  },
  {
    name: 'EspalierGated',
    compute: (inputs, attributes, heap) => {
      const [gate, up] = [inputs.get('gate'), inputs.get('up')];
      const y = heap.allocate(gate.shape);
      activate(activationIn(attributes), heap.floats(gate), heap.floats(y));
      multiply(heap.floats(y), heap.floats(up));
      return y;
    },
  },
  {
    name: 'EspalierGatedGrad',
    compute: (inputs, attributes, heap) => {
      const [dy, gate, up] = [inputs.get('dy'), inputs.get('gate'), inputs.get('up')];
      const [dGate, dUp] = [heap.allocate(gate.shape), heap.allocate(gate.shape)];
      const [kind, gradient] = [activationIn(attributes), heap.floats(dy)];
      multiplyBySlope(kind, gradient, heap.floats(gate), heap.floats(dGate));
      multiply(heap.floats(dGate), heap.floats(up));
      activate(kind, heap.floats(gate), heap.floats(dUp));
      multiply(heap.floats(dUp), gradient);
      return [dGate, dUp];
    },
  },
];

/** Writes activation(x) to y. */
function activate(kind: Activation, x: Float32Array, y: Float32Array): void {
  if (kind === 'relu' || kind === 'relu2') {
    for (let i = 0; i < x.length; i++) {
      const positive = Math.max(x[i]!, 0);
      y[i] = kind === 'relu' ? positive : positive * positive;
    }
    return;
  }
  const { limit, values } = tableOf(kind);
  for (let i = 0; i < x.length; i++) {
    const value = x[i]!;
    if (value > -limit && value < limit) y[i] = near(values, limit, value);
    else y[i] = value >= limit ? value : value <= -limit ? 0 : NaN;
  }
}

/** Writes dy times the activation's derivative at x to dx. */
function multiplyBySlope(kind: Activation, dy: Float32Array, x: Float32Array, dx: Float32Array): void {
  if (kind === 'relu') {
    for (let i = 0; i < x.length; i++) dx[i] = x[i]! <= 0 ? 0 : dy[i]!;
    return;
  }
  if (kind === 'relu2') {
    for (let i = 0; i < x.length; i++) dx[i] = 2 * Math.max(x[i]!, 0) * dy[i]!;
    return;
  }
  const { limit, slopes } = tableOf(kind);
  for (let i = 0; i < x.length; i++) {
    const value = x[i]!;
    if (value > -limit && value < limit) dx[i] = dy[i]! * near(slopes, limit, value);
    else dx[i] = value >= limit ? dy[i]! : value <= -limit ? 0 : NaN;
  }
}

function multiply(y: Float32Array, by: Float32Array): void {
  for (let i = 0; i < y.length; i++) y[i]! *= by[i]!;
}
