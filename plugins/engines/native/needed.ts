import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Program } from './deferred/program.js';

/** Number of words of a plan's header, a step and an output; see `Elementwise` in src/elementwise_calls.cc. */
const [HEAD, STEP, OUTPUT] = [5, 9, 3];

/** Returns a program that computes only the needed outputs, without steps that lead only to others. */
export function withOutputs(program: Program, isNeeded: (tensor: TensorInfo) => boolean): Program {
  const outputs = program.outputs.filter(isNeeded);
  if (outputs.length === program.outputs.length) return program;
  const words = [...program.plan];
  const [rows = 0, registers = 0, inputs = 0, steps = 0, made = 0] = words;
  const firstOutput = words.length - OUTPUT * made;
  const firstStep = firstOutput - STEP * steps;
  const written = chunks(words.slice(firstOutput), OUTPUT).filter((_, index) =>
    outputs.some((output) => output === program.outputs[index]),
  );
  const live = new Set(written.map((output) => output[2] ?? 0));
  const done = chunks(words.slice(firstStep, firstOutput), STEP)
    .toReversed()
    .filter(([, , to = 0, ...from]) => {
      if (!live.delete(to)) return false;
      for (const register of from.slice(0, 3)) live.add(register);
      return true;
    })
    .toReversed();
  const head = [rows, registers, inputs, done.length, outputs.length];
  const plan = [...head, ...words.slice(HEAD, firstStep), ...done.flat(), ...written.flat()];
  return { ...program, plan: Int32Array.from(plan), outputs };
}

interface Made {
  readonly inputs: { all(): readonly TensorInfo[] };
  readonly made: readonly TensorInfo[];
}

/**
 * Removes calls whose results nobody reads: a pass saves and computes more for its gradients than they read.
 * @param trimmed returns a call that computes only what is needed; the call itself if it computes all or nothing
 * @returns also, for each n, how many of the first n calls remain
 */
export function neededCalls<C extends Made>(
  calls: readonly C[],
  handedOut: readonly TensorInfo[],
  trimmed: (call: C, isNeeded: (tensor: TensorInfo) => boolean) => C,
): { readonly calls: C[]; readonly left: readonly number[] } {
  const read = new Set<object>(handedOut.map(({ dataId }) => dataId));
  const isNeeded = ({ dataId }: TensorInfo): boolean => read.has(dataId);
  const kept = calls.map((): C | undefined => undefined);
  for (const [index, call] of [...calls.entries()].toReversed()) {
    if (call.made.length > 0 && !call.made.some(isNeeded)) continue;
    kept[index] = trimmed(call, isNeeded);
    for (const { dataId } of call.inputs.all()) read.add(dataId);
  }
  let count = 0;
  const left = [0, ...kept.map((call) => (call === undefined ? count : ++count))];
  return { calls: kept.filter((call) => call !== undefined), left };
}

function chunks(words: readonly number[], size: number): number[][] {
  return Array.from({ length: words.length / size }, (_, index) => words.slice(index * size, (index + 1) * size));
}
