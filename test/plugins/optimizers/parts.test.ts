import test from 'ava';
import fc from '../../property.js';
import { ConfigPlaces, RandomStreams, tf, Tunables } from '../../../core/index.js';
import { WeightOptimizerParts, type WeightRole } from '../../../plugins/optimizers/contract.js';
import Muon from '../../../plugins/optimizers/muon.js';
import { makeReady } from '../ops/engines.js';

const ROWS = 5;

test.before(async () => {
  await tf.setBackend(await makeReady('cpu'));
});

test('muon orthogonalizes each part of a matrix separately, whatever their widths', (t) => {
  const widths = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(widths, fc.nat(1000), (parts, seed) => {
      const columns = parts.reduce((sum, width) => sum + width, 0);
      const random = new RandomStreams(seed).at('parts', 0);
      const [weight, gradient] = [matrix(random, columns), matrix(random, columns)];
      const whole = stepped({ whole: { weight, gradient, role: { role: 'matrix', parts } } });
      const split = (x: tf.Tensor2D): tf.Tensor2D[] => tf.split(x, parts, 1);
      const [weights, gradients] = [split(weight), split(gradient)];
      const apart = stepped(
        Object.fromEntries(
          weights.map((part, i) => [i, { weight: part, gradient: gradients[i]!, role: { role: 'matrix' } }]),
        ),
      );
      const joined = tf.concat(
        parts.map((width, i) => tf.tensor2d(apart[i]!, [ROWS, width])),
        1,
      );
      const found = joined.dataSync();
      whole['whole']!.forEach((value, i) => t.true(Math.abs(value - (found[i] ?? NaN)) < 1e-6));
    }),
    { numRuns: 20 },
  );
});

function matrix(random: { normal: () => number }, columns: number): tf.Tensor2D {
  return tf.tensor2d(
    Float32Array.from({ length: ROWS * columns }, () => random.normal()),
    [ROWS, columns],
  );
}

/** Returns the weights after one step. */
function stepped(
  given: Record<string, { weight: tf.Tensor2D; gradient: tf.Tensor2D; role: WeightRole }>,
): Record<string, Float32Array> {
  const roles = new Map(Object.entries(given).map(([name, { role }]) => [name, role]));
  const nothing = { value: {}, origins: new Map(), texts: new Map(), layers: [], files: [], given: {} };
  const parts = new WeightOptimizerParts(new Tunables(), new ConfigPlaces(nothing), { weightRoles: () => roles });
  const optimizer = new Muon(Muon.options.parse({}), parts);
  const parameters = new Map(Object.entries(given).map(([name, { weight }]) => [name, tf.variable(weight)]));
  optimizer.prepare(parameters);
  const gradients = new Map(Object.entries(given).map(([name, { gradient }]) => [name, tf.clone(gradient)]));
  optimizer.step({ parameters, gradients, learningRate: 0.1, gradClip: 0 });
  return Object.fromEntries([...parameters].map(([name, variable]) => [name, Float32Array.from(variable.dataSync())]));
}
