import { readFileSync } from 'node:fs';
import test from 'ava';
import { z } from 'zod';
import { ConfigPlaces, tf, Tunables, type Optimizer } from '../../../core/index.js';
import { registerOps } from '../../../plugins/ops/contract.js';
import { WeightOptimizerParts, type WeightRole } from '../../../plugins/optimizers/contract.js';
import Lion from '../../../plugins/optimizers/lion.js';
import Muon from '../../../plugins/optimizers/muon.js';
import Sgd from '../../../plugins/optimizers/sgd.js';
import { on } from '../ops/compare.js';
import { availableEngines } from '../ops/engines.js';
import { needing } from '../../needs.js';

const numbers = z.record(z.string(), z.array(z.number()));
const { shapes, weights, gradients, cases } = z
  .object({
    shapes: z.record(z.string(), z.array(z.int())),
    weights: numbers,
    gradients: z.array(numbers),
    cases: z.record(z.string(), z.array(numbers)),
  })
  .parse(JSON.parse(readFileSync('test/fixtures/optimizers/torch.json', 'utf8')));

interface Contestant {
  readonly make: (parts: WeightOptimizerParts) => Optimizer;
  /** Number of matrices in a weight of two dimensions. */
  readonly parts?: number;
  /** Tolerance for weights of about 1. */
  readonly tolerance?: number;
}

const sgd = (options: object) => (parts: WeightOptimizerParts) =>
  new Sgd(Sgd.options.parse({ learning_rate: 0.05, ...options }), parts);
const lion = (options: object) => (parts: WeightOptimizerParts) =>
  new Lion(Lion.options.parse({ learning_rate: 0.01, ...options }), parts);
const muon = (options: object) => (parts: WeightOptimizerParts) =>
  new Muon(Muon.options.parse({ learning_rate: 0.02, weight_decay: 0.1, momentum: 0.9, ...options }), parts);
const original = { adjust_lr_fn: 'original' };
const plain = { ...original, nesterov: false };

/** Optimizers by their names in test/fixtures/optimizers/make.py. */
const contestants: Readonly<Record<string, Contestant>> = {
  sgd: { make: sgd({}) },
  'sgd, plain': { make: sgd({ momentum: 0 }) },
  'sgd, nesterov': { make: sgd({ momentum: 0.8, nesterov: true }) },
  'sgd, decay': { make: sgd({ weight_decay: 0.2 }) },
  lion: { make: lion({ weight_decay: 0 }) },
  'lion, decay': { make: lion({ beta1: 0.8, beta2: 0.95, weight_decay: 0.3 }) },
  // PyTorch's iterations have bfloat16's three digits; ours have the run's precision.
  'muon, match_rms_adamw': { make: muon({}), tolerance: 1e-2 },
  'muon f32, match_rms_adamw': { make: muon({}) },
  'muon, original': { make: muon(original), tolerance: 1e-2 },
  'muon f32, original': { make: muon(original) },
  'muon, original, no nesterov': { make: muon(plain), tolerance: 1e-2 },
  'muon f32, original, no nesterov': { make: muon(plain) },
  'muon f32, three parts': { make: muon(original), parts: 3 },
};

const engines = await availableEngines();

test.before(async () => {
  await tf.setBackend('cpu');
  registerOps('cpu');
});

test('every case of PyTorch’s is compared', (t) => {
  t.deepEqual(Object.keys(contestants).sort(), Object.keys(cases).sort());
});

for (const [name, contestant] of Object.entries(contestants)) {
  test.serial(`${name}: three steps equal PyTorch’s`, (t) => {
    t.deepEqual(mistakes(name, contestant, 'cpu'), []);
  });
}

for (const { name: engine, need, backend } of engines) {
  needing(need).serial(`optimizers: engine ${engine} makes the steps that PyTorch makes`, (t) => {
    for (const [name, contestant] of Object.entries(contestants)) {
      t.deepEqual(mistakes(name, contestant, backend), [], name);
    }
  });
}

function mistakes(name: string, { make, parts = 1, tolerance = 1e-5 }: Contestant, backend: string): string[] {
  const steps = cases[name]!;
  const names = Object.keys(steps[0]!);
  return on(backend, () => {
    const optimizer = made(make, parts);
    const parameters = new Map(names.map((each) => [each, tf.variable(tf.tensor(weights[each]!, shapes[each]))]));
    optimizer.prepare?.(parameters);
    const found = steps.flatMap((expected, step) => {
      const given = new Map(names.map((each) => [each, tf.tensor(gradients[step]![each]!, shapes[each])]));
      optimizer.step({ parameters, gradients: given, learningRate: optimizer.learningRate, gradClip: 0 });
      return names.flatMap((each) => {
        const values = parameters.get(each)!.dataSync();
        return expected[each]!.flatMap((value, i) => {
          const is = values[i] ?? NaN;
          // Not `>`, so that NaN fails.
          if (Math.abs(is - value) <= tolerance) return [];
          return [`step ${String(step)}, ${each} [${String(i)}] is ${String(is)}, not ${String(value)}`];
        });
      });
    });
    for (const variable of parameters.values()) variable.dispose();
    return found;
  });
}

/** The optimizer for a model whose weights of two dimensions are matrices. */
function made(make: Contestant['make'], parts: number): Optimizer {
  const roles = new Map(
    Object.entries(shapes).map(([name, [, columns]]): [string, WeightRole] => [
      name,
      columns === undefined
        ? { role: 'bias' }
        : { role: 'matrix', parts: Array.from({ length: parts }, () => columns / parts) },
    ]),
  );
  const nothing = { value: {}, origins: new Map(), texts: new Map(), layers: [], files: [], given: {} };
  return make(new WeightOptimizerParts(new Tunables(), new ConfigPlaces(nothing), { weightRoles: () => roles }));
}
