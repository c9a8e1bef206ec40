import test from 'ava';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { loadBinding } from '../../../../plugins/engines/native/binding.js';
import { DataNode } from '../../../../plugins/engines/native/deferred/node.js';
import type { Program } from '../../../../plugins/engines/native/deferred/program.js';
import { neededCalls, withOutputs } from '../../../../plugins/engines/native/needed.js';
import { engineNeed, needing } from '../../../needs.js';

const native = needing(await engineNeed('native'));

native(
  'engine native: a program without one of its outputs gives the others with the same bits and fewest steps',
  (t) => {
    const binding = loadBinding();
    const code = (name: string): number => binding.elementwiseNames().indexOf(name);
    const steps = [
      [0, code('neg'), 1, 0, 0, 0, 1, 0, 0],
      [0, code('exp'), 2, 1, 1, 1, 1, 0, 0],
      [0, code('mul'), 3, 0, 2, 0, 1, 0, 0],
    ];
    const outputs = [1, 2, 3].flatMap((register) => [1, 0, register]);
    const plan = Int32Array.from([4, 4, 1, 3, 3, 1, 0, 1, 4, 1, ...steps.flat(), ...outputs]);
    const node = (): DataNode => new DataNode({}, [4], 4, 'float32', undefined);
    const program: Program = { plan, inputs: [node()], outputs: [node(), node(), node()], kernels: new Set() };
    const x = Float32Array.of(1, -2, 0.5, 3);
    const run = (of: Program): Float32Array[] => {
      const made = of.outputs.map(() => new Float32Array(4));
      binding.elementwise(of.plan, x, ...made);
      return made;
    };
    const all = run(program);
    const stepsOf = (of: Program): number => of.plan[3] ?? 0;
    for (const [kept, left] of [
      [[2], 3],
      [[1], 2],
      [[0], 1],
      [[0, 2], 3],
      [[0, 1, 2], 3],
    ] as const) {
      const trimmed = withOutputs(program, (tensor) => kept.some((index) => program.outputs[index] === tensor));
      t.is(stepsOf(trimmed), left);
      t.deepEqual(
        run(trimmed),
        kept.map((index) => all[index]!),
      );
    }
  },
);

test('calls whose results nobody reads are removed, with those that lead only to them', (t) => {
  const [x, a, b, c, d] = Array.from({ length: 5 }, (): TensorInfo => ({ dataId: {}, shape: [], dtype: 'float32' }));
  const call = (from: TensorInfo, ...made: TensorInfo[]) => ({ inputs: { all: () => [from] }, made });
  const calls = [call(x!, a!), call(a!, b!), call(x!, c!), call(c!, d!)];
  const { calls: needed, left } = neededCalls(calls, [d!], (each) => each);
  t.deepEqual(needed, calls.slice(2));
  t.deepEqual(left, [0, 0, 0, 1, 2]);
});
