import { readFileSync } from 'node:fs';
import test from 'ava';
import { z } from 'zod';
import type { LossTerm } from '../../../plugins/losses/contract.js';
import LabelSmoothing from '../../../plugins/losses/label-smoothing.js';
import ZLoss from '../../../plugins/losses/z-loss.js';
import { registerOps } from '../../../plugins/index.js';
import { assertClose } from '../ops/compare.js';
import { availableEngines } from '../ops/engines.js';
import { needing } from '../../needs.js';
import { lossInParts } from './parts.js';

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
      const given = { logits, targets, weights: weighted === undefined ? undefined : weights };
      const found = lossInParts(engine, given, terms[name] ?? []);
      t.true(Math.abs(found.loss - expected.loss) < 1e-6 * Math.max(1, Math.abs(expected.loss)), String(found.loss));
      assertClose(found.gradient, Float32Array.from(expected.gradient), 'gradient', 1e-6);
    });
  }
}
