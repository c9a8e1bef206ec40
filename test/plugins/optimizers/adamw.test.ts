import test, { type ExecutionContext } from 'ava';
import { Engine, Optimizer, tf } from '../../../core/index.js';
import { makeRun } from '../../../core/run/make.js';
import { useEngine } from '../../../core/tf.js';

const rates = { beta1: 0.9, beta2: 0.95, eps: 1e-8 };
/** Tolerance for float32 arithmetic against the scalar reference, for values of about 1. */
const TOLERANCE = 2e-6;

async function adamw(t: ExecutionContext, engine: string, weightDecay: number): Promise<Optimizer> {
  const { run } = await makeRun({
    cwd: process.cwd(),
    presets: ['debug'],
    set: [`engine=${engine}`, `optimizer=${JSON.stringify({ ...rates, weight_decay: weightDecay })}`],
    only: ['engine', 'optimizer'],
  });
  t.teardown(() => run.dispose());
  await run.bus.dispatch('run:setup', { runDir: '.' });
  useEngine(run.container.resolve(Engine));
  return run.container.resolve(Optimizer);
}

/** Loshchilov and Hutter, algorithm 2, one number at a time: returns a weight after the given gradients. */
function reference(start: number, gradients: readonly number[], rate: number, decay: number): number {
  let [weight, mean, square] = [start, 0, 0];
  gradients.forEach((gradient, index) => {
    const step = index + 1;
    mean = rates.beta1 * mean + (1 - rates.beta1) * gradient;
    square = rates.beta2 * square + (1 - rates.beta2) * gradient ** 2;
    const corrected = mean / (1 - rates.beta1 ** step) / (Math.sqrt(square / (1 - rates.beta2 ** step)) + rates.eps);
    weight = weight - rate * decay * weight - rate * corrected;
  });
  return weight;
}

function near(t: ExecutionContext, actual: ArrayLike<number>, expected: readonly number[], what: string): void {
  t.is(actual.length, expected.length);
  expected.forEach((value, i) => {
    t.true(Math.abs((actual[i] ?? NaN) - value) < TOLERANCE, `${what} ${i}: ${String(actual[i])}, not ${value}`);
  });
}

const matrix = [0.5, -1.25, 0, 2];
const vector = [1, -0.75];
const matrixGradients = [
  [0.1, -0.2, 0.3, 0],
  [-0.4, 0.05, 0.3, 1e-4],
  [0.2, 0.2, -0.6, 0],
];
const vectorGradients = [
  [0.3, -0.1],
  [0, 0.2],
  [-0.3, 0.5],
];

for (const engine of ['cpu', 'wasm']) {
  test.serial(
    `${engine}: three steps equal the scalar reference, and only tensors of two dimensions decay`,
    async (t) => {
      const optimizer = await adamw(t, engine, 0.1);
      const parameters = new Map<string, tf.Variable>([
        ['matrix', tf.variable(tf.tensor2d(matrix, [2, 2]))],
        ['vector', tf.variable(tf.tensor1d(vector))],
      ]);
      for (let step = 0; step < 3; step++) {
        const gradients = new Map<string, tf.Tensor>([
          ['matrix', tf.tensor2d(matrixGradients[step] ?? [], [2, 2])],
          ['vector', tf.tensor1d(vectorGradients[step] ?? [])],
        ]);
        const norm = optimizer.step({ parameters, gradients, learningRate: 0.05, gradClip: 0 });
        const all = [...(matrixGradients[step] ?? []), ...(vectorGradients[step] ?? [])];
        near(t, [norm], [Math.hypot(...all)], 'norm');
        const seen = (of: readonly (readonly number[])[], i: number): number[] =>
          of.slice(0, step + 1).map((row) => row[i] ?? NaN);
        near(
          t,
          parameters.get('matrix')?.dataSync() ?? [],
          matrix.map((start, i) => reference(start, seen(matrixGradients, i), 0.05, 0.1)),
          `matrix after step ${step + 1}, weight`,
        );
        near(
          t,
          parameters.get('vector')?.dataSync() ?? [],
          vector.map((start, i) => reference(start, seen(vectorGradients, i), 0.05, 0)),
          `vector after step ${step + 1}, weight`,
        );
      }
    },
  );

  test.serial(`${engine}: gradients above the global norm limit are clipped, others are not`, async (t) => {
    for (const [clip, scale] of [
      [6.5, 6.5 / (13 + 1e-6)],
      [13.5, 1],
      [0, 1],
    ] as const) {
      const optimizer = await adamw(t, engine, 0);
      const parameters = new Map<string, tf.Variable>([
        ['a', tf.variable(tf.zeros([2, 1]))],
        ['b', tf.variable(tf.zeros([1]))],
      ]);
      const gradients = new Map<string, tf.Tensor>([
        ['a', tf.tensor2d([3, 4], [2, 1])],
        ['b', tf.tensor1d([12])],
      ]);
      const norm = optimizer.step({ parameters, gradients, learningRate: 0.1, gradClip: clip });
      near(t, [norm], [13], 'the norm before clipping');
      // AdamW's first step hides the size of the gradient; the first moment shows it.
      const moment = (name: string): ArrayLike<number> =>
        optimizer.exportState().tensors.get(`${name}.exp_avg`)?.dataSync() ?? [];
      near(t, moment('a'), [0.3 * scale, 0.4 * scale], `clip ${clip}, moment of a`);
      near(t, moment('b'), [1.2 * scale], `clip ${clip}, moment of b`);
    }
  });
}

test.serial('training resumed from exported state gives the same bits', async (t) => {
  const first = await adamw(t, 'cpu', 0.1);
  const second = await adamw(t, 'cpu', 0.1);
  const weight = tf.variable(tf.tensor2d(matrix, [2, 2]));
  const step = (optimizer: Optimizer, variable: tf.Variable, row: number): void => {
    const gradients = new Map([['w', tf.tensor2d(matrixGradients[row] ?? [], [2, 2])]]);
    optimizer.step({ parameters: new Map([['w', variable]]), gradients, learningRate: 0.05, gradClip: 1 });
  };
  step(first, weight, 0);
  step(first, weight, 1);
  const copy = tf.variable(weight.clone());
  second.importState(first.exportState(), new Map([['w', copy]]));
  step(first, weight, 2);
  step(second, copy, 2);
  t.deepEqual(copy.dataSync(), weight.dataSync());
});

/** Returns weights trained with a schedule of groups: each step updates the named weights, in one call each. */
function trained(optimizer: Optimizer, schedule: readonly (readonly string[])[]): Record<string, number[]> {
  const weights = new Map(['a', 'b', 'c'].map((name) => [name, tf.variable(tf.tensor1d(vector))]));
  schedule.forEach((names, step) => {
    for (const name of names) stepOne(optimizer, weights, name, step);
  });
  return Object.fromEntries([...weights].map(([name, variable]) => [name, [...variable.dataSync()]]));
}

function stepOne(optimizer: Optimizer, weights: ReadonlyMap<string, tf.Variable>, names: string, row: number): void {
  const some = names.split(',').flatMap((name): [string, tf.Variable][] => {
    const weight = weights.get(name);
    return weight === undefined ? [] : [[name, weight]];
  });
  const gradient = vectorGradients[row % 3] ?? [];
  const gradients = new Map(some.map(([name]) => [name, tf.tensor1d(gradient)]));
  optimizer.step({ parameters: new Map(some), gradients, learningRate: 0.05, gradClip: 0 });
}

for (const engine of ['cpu', 'wasm']) {
  test.serial(`${engine}: weights stepped in separate groups give the same bits as together`, async (t) => {
    const together = trained(await adamw(t, engine, 0), [['a,b,c'], ['a,b,c'], ['a,b,c'], ['a,b,c']]);
    const apart = trained(await adamw(t, engine, 0), [['a', 'b,c'], ['a,b,c'], ['c', 'b', 'a'], ['a,b', 'c']]);
    t.deepEqual(apart, together);
    const expected = vector.map((start, i) =>
      reference(
        start,
        [0, 1, 2, 0].map((row) => vectorGradients[row]?.[i] ?? NaN),
        0.05,
        0,
      ),
    );
    near(t, together['a'] ?? [], expected, 'weight');
  });
}

test.serial('bias correction of a weight that starts later counts its own steps, also after a resume', async (t) => {
  const first = await adamw(t, 'cpu', 0);
  const weights = new Map(['a', 'b', 'c'].map((name) => [name, tf.variable(tf.tensor1d(vector))]));
  stepOne(first, weights, 'a,b', 0);
  stepOne(first, weights, 'a,b', 1);
  stepOne(first, weights, 'a,b,c', 2);
  const { tensors, scalars } = first.exportState();
  t.deepEqual(scalars, { step: 3, 'c.step': 1 });
  const second = await adamw(t, 'cpu', 0);
  const copies = new Map([...weights].map(([name, weight]) => [name, tf.variable(weight.clone())]));
  second.importState({ tensors, scalars }, copies);
  t.deepEqual(second.exportState().scalars, scalars);
  stepOne(first, weights, 'a,b,c', 0);
  stepOne(second, copies, 'a,b,c', 0);
  for (const [name, weight] of weights) t.deepEqual(copies.get(name)?.dataSync(), weight.dataSync(), name);
  const seen = [2, 0];
  const expected = vector.map((start, i) =>
    reference(
      start,
      seen.map((row) => vectorGradients[row]?.[i] ?? NaN),
      0.05,
      0,
    ),
  );
  near(t, weights.get('c')?.dataSync() ?? [], expected, 'weight');
});

test.serial('older state with a single step count applies it to all weights that have moments', async (t) => {
  const optimizer = await adamw(t, 'cpu', 0);
  const weights = new Map(['a', 'b'].map((name) => [name, tf.variable(tf.tensor1d(vector))]));
  const tensors = new Map(['a.exp_avg', 'a.exp_avg_sq'].map((name) => [name, tf.tensor1d([0.1, 0.2])]));
  optimizer.importState({ tensors, scalars: { step: 7 } }, weights);
  t.deepEqual(optimizer.exportState().scalars, { step: 7 });
  stepOne(optimizer, weights, 'a,b', 0);
  t.deepEqual(optimizer.exportState().scalars, { step: 8, 'b.step': 1 });
});

test.serial('a moment of another shape, and a missing gradient, are named', async (t) => {
  const optimizer = await adamw(t, 'cpu', 0);
  const parameters = new Map([['w', tf.variable(tf.zeros([2, 2]))]]);
  t.throws(() => optimizer.importState({ tensors: new Map([['w.exp_avg', tf.zeros([3])]]), scalars: {} }, parameters), {
    message: /w\.exp_avg is \[3\], the weight \[2,2\]/,
  });
  t.throws(() => optimizer.step({ parameters, gradients: new Map(), learningRate: 1, gradClip: 0 }), {
    message: /gradient of w is missing/,
  });
});

test.serial('a step by an unread norm is that of the norm, and none where it is not finite', async (t) => {
  const stepped = async (gradNorms: readonly number[], isUnread: boolean): Promise<unknown> => {
    const optimizer = await adamw(t, 'cpu', 0.1);
    const parameters = new Map([['matrix', tf.variable(tf.tensor2d(matrix, [2, 2]))]]);
    for (const gradNorm of gradNorms) {
      const gradients = new Map([['matrix', tf.tensor2d(matrixGradients[0] ?? [], [2, 2])]]);
      const step = { parameters, gradients, learningRate: 0.05, gradClip: 0.25 };
      if (!isUnread) optimizer.step({ ...step, gradNorm });
      else {
        const takeBack = optimizer.stepUnread?.({ ...step, gradNorm: tf.scalar(gradNorm) });
        if (!Number.isFinite(gradNorm)) takeBack?.();
      }
    }
    const { tensors, scalars } = optimizer.exportState();
    const rounded = [...parameters, ...tensors].map(([name, tensor]) => [
      name,
      Array.from(tensor.dataSync(), (value) => value.toPrecision(5)),
    ]);
    return { rounded, scalars };
  };
  t.deepEqual(await stepped([0.5, NaN, 0.125, Infinity], true), await stepped([0.5, 0.125], false));
});
