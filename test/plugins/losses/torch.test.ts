import { readFileSync } from 'node:fs';
import test from 'ava';
import { z } from 'zod';
import { tf, type LossTerm, type Model } from '../../../core/index.js';
import LabelSmoothing from '../../../plugins/losses/label-smoothing.js';
import ZLoss from '../../../plugins/losses/z-loss.js';
import { lossParts } from '../../../plugins/models/targets/loss-parts.js';
import { registerOps } from '../../../plugins/index.js';
import { assertClose, on } from '../ops/compare.js';
import { availableEngines } from '../ops/engines.js';
import { needing } from '../../needs.js';

const numbers = z.array(z.number());
const { logits, targets, weights, cases } = z
  .object({
    ...{ logits: numbers, targets: numbers, weights: numbers },
    cases: z.record(z.string(), z.object({ loss: z.number(), gradient: numbers })),
  })
  .parse(JSON.parse(readFileSync('test/fixtures/losses/torch.json', 'utf8')));

const terms: Record<string, LossTerm[]> = {
  'cross-entropy': [],
  'label-smoothing 0.1': [new LabelSmoothing({ weight: 0.1 })],
  'z-loss 0.01': [new ZLoss({ weight: 0.01 })],
};

const engines = [{ name: 'cpu', check: needing().serial }];
for (const { name, need } of await availableEngines()) engines.push({ name, check: needing(need).serial });
test.before(() => {
  registerOps('cpu');
});

for (const { name: engine, check } of engines) {
  for (const [what, expected] of Object.entries(cases)) {
    check(`${what}: loss and gradient are PyTorch's, engine ${engine}`, (t) => {
      const [name = '', weighted] = what.split(', ');
      const found = on(engine, () => {
        const given = tf.variable(tf.tensor3d(logits, [2, 5, 7]));
        const { value, grads } = tf.variableGrads(() => {
          const inputs = {
            ...{ ids: ids(), targets: ids(), tokens: undefined, fields: new Map<string, tf.Tensor2D>() },
            weights: weighted === undefined ? undefined : tf.tensor2d(weights, [2, 5]),
            termWeights: (terms[name] ?? []).map(({ weight }) => tf.scalar(weight)),
          };
          return lossParts(modelOf(given), inputs, terms[name] ?? []).total;
        }, [given]);
        const gradient = grads[given.name]?.dataSync<'float32'>().slice();
        given.dispose();
        return { loss: value.dataSync()[0] ?? NaN, gradient };
      });
      t.true(Math.abs(found.loss - expected.loss) < 1e-6 * Math.max(1, Math.abs(expected.loss)), String(found.loss));
      assertClose(found.gradient, Float32Array.from(expected.gradient), 'gradient', 1e-6);
    });
  }
}

function ids(): tf.Tensor2D {
  return tf.tensor2d(targets, [2, 5], 'int32');
}

function modelOf(logits: tf.Tensor3D): Model {
  const unused = (): never => {
    throw new Error('it is not called');
  };
  return {
    ...{ blockSize: 5, vocabSize: 7, description: {} },
    ...{ build: unused, parameters: unused, loss: unused, generate: unused },
    ...{ parameterCounts: unused, trainingFlopsPerToken: unused, activationBytes: unused },
    logits: () => logits,
  };
}
