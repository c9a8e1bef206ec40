import { tf } from '../../../../core/index.js';
import type { KernelCall, Kernels, Lower } from '../kernel.js';
import { broadcastShape, type Graph, sameShape } from '../stablehlo/graph.js';
import type { Element, Value } from '../stablehlo/program.js';

type Unary = (g: Graph, x: Value, call: KernelCall) => Value;
type Binary = (g: Graph, a: Value, b: Value) => Value;

const FLOATS: readonly Element[] = ['f32'];
const NUMBERS: readonly Element[] = ['f32', 'i32'];
const ALL: readonly Element[] = ['f32', 'i32', 'i1'];
const TRUTHS: readonly Element[] = ['i1'];

// Klambauer et al., "Self-normalizing neural networks", 2017, section 2.
const [SELU_ALPHA, SELU_SCALE] = [tf.backend_util.SELU_SCALEALPHA, tf.backend_util.SELU_SCALE];

const UNARY: Readonly<Record<string, readonly [Unary, (readonly Element[])?]>> = {
  Neg: [named('negate'), NUMBERS],
  Abs: [named('abs'), NUMBERS],
  Exp: [named('exponential')],
  Expm1: [named('exponential_minus_one')],
  Log: [named('log')],
  Log1p: [named('log_plus_one')],
  Sqrt: [named('sqrt')],
  Rsqrt: [named('rsqrt')],
  Square: [square],
  Reciprocal: [(g, x) => g.div(g.numbers(1, x), x)],
  Relu: [(g, x) => g.max(x, 0)],
  Relu6: [(g, x) => g.min(g.max(x, 0), 6)],
  LeakyRelu: [(g, x, { attributes }) => g.select(g.compare('LT', x, 0), g.mul(x, attributes.number('alpha')), x)],
  Elu: [(g, x) => g.select(g.compare('GE', x, 0), x, g.elementwise('exponential_minus_one', x))],
  Selu: [
    (g, x) => {
      const negative = g.mul(g.elementwise('exponential_minus_one', x), SELU_ALPHA);
      return g.select(g.compare('GE', x, 0), g.mul(x, SELU_SCALE), negative);
    },
  ],
  Softplus: [
    (g, x) => {
      const small = g.elementwise('exponential', g.elementwise('negate', g.elementwise('abs', x)));
      return g.add(g.max(x, 0), g.elementwise('log_plus_one', small));
    },
  ],
  Sigmoid: [named('logistic')],
  Tanh: [named('tanh')],
  Erf: [named('chlo.erf')],
  Sin: [named('sine')],
  Cos: [named('cosine')],
  Floor: [named('floor')],
  Ceil: [named('ceil')],
  Round: [named('round_nearest_even')],
  Sign: [named('sign')],
  Step: [
    (g, x, { attributes }) => {
      const step = g.select(g.compare('GT', x, 0), g.numbers(1, x), g.numbers(attributes.number('alpha'), x));
      return g.select(g.compare('NE', x, x), x, step);
    },
  ],
  ClipByValue: [
    (g, x, { attributes }) => g.min(g.max(x, attributes.number('clipValueMin')), attributes.number('clipValueMax')),
  ],
  IsNan: [(g, x) => g.compare('NE', x, x)],
  IsFinite: [(g, x) => g.operation('is_finite', [x], { shape: x.shape, type: 'i1' })],
  IsInf: [(g, x) => g.compare('EQ', g.elementwise('abs', x), Infinity)],
  LogicalNot: [named('not'), TRUTHS],
};

const BINARY: Readonly<Record<string, readonly [Binary, (readonly Element[])?]>> = {
  Add: [(g, a, b) => g.add(a, b), NUMBERS],
  Sub: [(g, a, b) => g.sub(a, b), NUMBERS],
  Multiply: [(g, a, b) => g.mul(a, b), NUMBERS],
  RealDiv: [(g, a, b) => g.div(a, b)],
  // TensorFlow.js returns integers for floats, too.
  FloorDiv: [(g, a, b) => g.convert(g.elementwise('floor', g.div(a, b)), 'i32')],
  Mod: [
    (g, a, b) => {
      const rest = g.elementwise('remainder', a, b);
      const isOfOneSign = g.compare('EQ', g.compare('LT', a, 0), g.compare('LT', b, 0));
      return g.select(isOfOneSign, rest, g.elementwise('remainder', g.add(rest, b), b));
    },
  ],
  Pow: [(g, a, b) => g.elementwise('power', a, b)],
  Maximum: [(g, a, b) => g.max(a, b), NUMBERS],
  Minimum: [(g, a, b) => g.min(a, b), NUMBERS],
  SquaredDifference: [(g, a, b) => square(g, g.sub(a, b))],
  Equal: [(g, a, b) => g.compare('EQ', a, b), ALL],
  NotEqual: [(g, a, b) => g.compare('NE', a, b), ALL],
  Less: [(g, a, b) => g.compare('LT', a, b), ALL],
  LessEqual: [(g, a, b) => g.compare('LE', a, b), ALL],
  Greater: [(g, a, b) => g.compare('GT', a, b), ALL],
  GreaterEqual: [(g, a, b) => g.compare('GE', a, b), ALL],
  LogicalAnd: [(g, a, b) => g.elementwise('and', a, b), TRUTHS],
  LogicalOr: [(g, a, b) => g.elementwise('or', a, b), TRUTHS],
};

/** Elementwise kernels, and kernels that change a tensor's shape or type. */
export const elementwiseKernels: Kernels = {
  ...mapped(UNARY, ([compute, types]) => kernel(['x'], (g, [x], call) => compute(g, x!, call), types)),
  ...mapped(BINARY, ([compute, types]) => kernel(['a', 'b'], (g, [a, b]) => compute(g, a!, b!), types)),
  Prelu: kernel(['x', 'alpha'], (g, [x, alpha]) => g.select(g.compare('LT', x!, 0), g.mul(x!, alpha!), x!)),
  EluGrad: kernel(['dy', 'y'], (g, [dy, y]) => g.select(g.compare('GE', y!, 0), dy!, g.mul(dy!, g.add(y!, 1)))),
  AddN: (call) => {
    const all = call.all();
    return all.every(({ type }) => type === 'f32') ? all.reduce((sum, x) => call.graph.add(sum, x)) : undefined;
  },
  Select: (call) => {
    const [condition, yes, no] = [call.get('condition'), call.get('t'), call.get('e')];
    if (condition.type !== 'i1' || yes.type !== no.type || !sameShape(yes.shape, no.shape)) return undefined;
    // A condition of another shape selects rows.
    const whole = sameShape(condition.shape, yes.shape) ? condition : call.graph.broadcastFirst(condition, yes.shape);
    return call.graph.select(whole, yes, no);
  },
  Cast: (call) => {
    const [x, to] = [call.get('x'), call.attributes.text('dtype')];
    if (to === 'bool') return x.type === 'i1' ? x : call.graph.compare('NE', x, 0);
    if (to === 'float32') return call.graph.convert(x, 'f32');
    return to === 'int32' ? call.graph.convert(x, 'i32') : undefined;
  },
};

function square(g: Graph, x: Value): Value {
  return g.mul(x, x);
}

function named(name: string): Unary {
  return (g, x) => g.elementwise(name, x);
}

/** @param types supported types of the operands, which all have the same one */
function kernel(
  operands: readonly string[],
  compute: (g: Graph, operands: readonly Value[], call: KernelCall) => Value,
  types = FLOATS,
): Lower {
  return (call) => {
    const values = operands.map((operand) => call.get(operand));
    const [first] = values;
    if (!values.every(({ type }) => type === first?.type && types.includes(type))) return undefined;
    values.map(({ shape }) => shape).reduce(broadcastShape);
    return compute(call.graph, values, call);
  };
}

function mapped<T>(table: Readonly<Record<string, T>>, make: (entry: T) => Lower): Kernels {
  return Object.fromEntries(Object.entries(table).map(([name, entry]) => [name, make(entry)]));
}
