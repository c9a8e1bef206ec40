import test from 'ava';
import { fittingRows, memoryAdvice, type Shortage } from '../../../../plugins/engines/xla/memory.js';
import { PjrtError } from '../../../../plugins/engines/xla/pjrt/plugin.js';
import { CompiledProgram } from '../../../../plugins/engines/xla/programs.js';
import fc from '../../../property.js';

/** Gigabytes: weights of 1 with moments, and temporary memory with the gradients. */
function step(rows: number, temporary: number, free: number): Shortage {
  const program = { arguments: 3e9, outputs: 3e9, replaced: 3e9, temporary: temporary * 1e9 };
  return { rows, program, free: free * 1e9 };
}

test('engine xla: the batch that fits is computed from what a step needs', (t) => {
  // Gradients take 1 of 17 GB; 1 GB for each of 16 rows is left.
  t.is(fittingRows(step(16, 17, 9)), 8);
  t.is(fittingRows(step(16, 17, 8.9)), 4);
  t.is(fittingRows(step(12, 13, 5.5)), 4);
  t.is(fittingRows({ ...step(12, 13, 5.5), devices: 3 }), 3);
  t.is(fittingRows(step(16, 17, 1.9)), undefined);
  // A pass without the optimizer gives its gradients as results.
  const program = { arguments: 1e9, outputs: 1e9, replaced: 0, temporary: 16e9 };
  t.is(fittingRows({ rows: 16, program, free: 9e9 }), 8);
});

test('engine xla: advice on memory names what is needed, and settings that fit', (t) => {
  t.is(
    memoryAdvice(step(16, 17, 9)),
    'the device’s memory is too small: 17.0 GB are needed, and 9.0 GB are free; train.batch_size: 8 (now 16) fits, with 2 times the train.gradient_accumulation_steps for the same steps',
  );
  t.regex(memoryAdvice(step(16, 17, 1)), /1\.0 GB are free; not even train\.batch_size: 1 fits/);
  t.regex(memoryAdvice(undefined), /smaller train\.batch_size and a larger train\.gradient_accumulation_steps$/);
});

test('engine xla: what fits is smaller than the batch, divides it, and more memory never makes it smaller', (t) => {
  const sizes = fc.tuple(fc.integer({ min: 1, max: 96 }), fc.integer({ min: 0, max: 60 }), fc.nat(60), fc.nat(60));
  const law = fc.property(sizes, ([rows, temporary, free, more]) => {
    const [fitting, larger] = [free, free + more].map((each) => fittingRows(step(rows, temporary, each)) ?? 0);
    return fitting! <= larger! && larger! < Math.max(rows, 1) && (fitting === 0 || rows % fitting! === 0);
  });
  t.notThrows(() => {
    fc.assert(law);
  });
});

test('engine xla: a program that does not fit is named, with what the device says of its memory', (t) => {
  const { program } = step(16, 17, 9);
  const run = (code: number, freeMemory: () => number | undefined): void => {
    const executable = {
      run: () => {
        throw new PjrtError('Out of memory allocating 5 bytes.\nand a screenful', code);
      },
      memory: () => program,
      destroy: () => undefined,
    };
    new CompiledProgram({ freeMemory }, { name: 'a pass', rows: 16 }, executable, 1).run([]);
  };
  const message = (does: string): RegExp =>
    new RegExp(`^XLA does not run a pass: ${does}: Out of memory allocating 5 bytes.$`);
  const known = message('.*train.batch_size: 8 \\(now 16\\) fits, .*');
  t.throws(() => run(8, () => 9e9), { code: 'ESP_ENGINE', message: known });
  const unknown = message('.*set a smaller train.batch_size and .*');
  t.throws(() => run(8, () => undefined), { message: unknown });
  const refused = (): number => {
    throw new PjrtError('GetAllocatorStats is not supported', 12);
  };
  t.throws(() => run(8, refused), { message: unknown });
  t.throws(() => run(3, () => 9e9), { message: 'XLA does not run a pass: Out of memory allocating 5 bytes.' });
});
