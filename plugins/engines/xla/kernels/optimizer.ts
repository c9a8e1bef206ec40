import { type Attributes, CLIP_EPSILON } from '../../../ops/contract.js';
import type { Kernels, XlaKernel } from '../kernel.js';

const CHANGING = ['learningRate', 'step', 'gradientScale'];

/** Kernels that update weights, moments and gradient sums in place. */
export const optimizerKernels: Kernels = {
  EspalierAdamWStep: adamw(false),
  EspalierAdamWByNorm: { ...adamw(true), joins: true },
  EspalierGlobalNorm: {
    joins: true,
    lower: (call) => {
      const { graph } = call;
      const squares = call.all().map((x) => graph.sum(graph.mul(x, x)));
      return graph.elementwise(
        'sqrt',
        squares.reduce((sum, square) => graph.add(sum, square)),
      );
    },
  },
  EspalierAccumulateAll: {
    joins: true,
    varying: (attributes) => ({ instead: ['scale'], numbers: Float32Array.of(attributes.number('scale')) }),
    // Inputs: sums, if any, then gradients.
    replaces: (inputs, attributes) => Array.from({ length: inputs - attributes.number('count') }, (_, index) => index),
    lower: (call) => {
      const { graph } = call;
      const all = call.all();
      const sums = all.slice(0, all.length - call.attributes.number('count'));
      return all.slice(sums.length).map((gradient, index) => {
        const scaled = graph.mul(gradient, call.number(0));
        return sums[index] === undefined ? scaled : graph.add(sums[index], scaled);
      });
    },
  },
};

/**
 * Inputs: all parameters, all gradients, all means, all mean squares; outputs: the same without the gradients.
 * @param byNorm the gradients' norm is one more input, see `adamwStep` of the family `ops`
 */
function adamw(byNorm: boolean): Omit<XlaKernel, 'name'> {
  return {
    varying: (attributes) => ({ instead: CHANGING, numbers: adamwNumbers(attributes) }),
    replaces: (inputCount) => {
      const count = Math.floor(inputCount / 4);
      return Array.from({ length: 3 * count }, (_, output) => (output < count ? output : output + count));
    },
    lower: (call) => {
      const { graph, attributes } = call;
      const all = call.all();
      const [count, decays] = [Math.floor(all.length / 4), decaysOf(attributes)];
      const norm = byNorm ? all.at(-1) : undefined;
      const isFinite = norm && graph.operation('is_finite', [norm], { shape: [], type: 'i1' });
      const clip = byNorm ? attributes.number('gradClip') : 0;
      const scale =
        norm && clip > 0 ? graph.min(graph.div(graph.numbers(clip, norm), graph.add(norm, CLIP_EPSILON)), 1) : 1;
      const [gradientShare, squareShare, deviationScale, rate] = [0, 1, 2, 3].map((index) => call.number(index));
      const [share, ofSquare] = [graph.mul(gradientShare!, scale), graph.mul(graph.mul(squareShare!, scale), scale)];
      const updated = attributes.numbers('weightDecays').map((weightDecay, index) => {
        const [parameter, gradient, mean, meanSquare] = [0, 1, 2, 3].map((group) => all[group * count + index]!);
        const expAvg = graph.add(graph.mul(mean!, attributes.number('beta1')), graph.mul(gradient!, share));
        const square = graph.mul(graph.mul(gradient!, gradient!), ofSquare);
        const expAvgSq = graph.add(graph.mul(meanSquare!, attributes.number('beta2')), square);
        const deviation = graph.mul(graph.elementwise('sqrt', expAvgSq), deviationScale!);
        const direction = graph.div(expAvg, graph.add(deviation, attributes.number('epsilon')));
        const decayed = graph.mul(parameter!, call.number(4 + decays.indexOf(weightDecay)));
        const after = [graph.sub(decayed, graph.mul(direction, rate!)), expAvg, expAvgSq] as const;
        const before = [parameter!, mean!, meanSquare!] as const;
        return after.map((made, which) => (isFinite ? graph.select(isFinite, made, before[which]!) : made));
      });
      return [0, 1, 2].flatMap((which) => updated.map((made) => made[which]!));
    },
  };
}

/** Returns the step's numbers, computed in float64 like the composite, then a factor for each weight decay. */
function adamwNumbers(attributes: Attributes): Float32Array {
  const [beta1, beta2] = [attributes.number('beta1'), attributes.number('beta2')];
  const [step, scale] = [attributes.number('step'), attributes.number('gradientScale')];
  const learningRate = attributes.number('learningRate');
  return Float32Array.of(
    (1 - beta1) * scale,
    (1 - beta2) * scale ** 2,
    1 / Math.sqrt(1 - beta2 ** step),
    learningRate / (1 - beta1 ** step),
    ...decaysOf(attributes).map((weightDecay) => 1 - learningRate * weightDecay),
  );
}

/** Returns the distinct weight decays. */
function decaysOf(attributes: Attributes): number[] {
  return [...new Set(attributes.numbers('weightDecays'))];
}
