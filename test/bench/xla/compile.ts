import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { table } from '../report.js';
import { round } from '../statistics.js';
import type { CompiledStep } from './compiled.js';

/** The environment variable with the folder that `.ci/xla-cuda` wrote XLA's plugin for NVIDIA GPUs to. */
export const CUDA_VARIABLE = 'ESPALIER_XLA_CUDA';

/** A training step that was compiled for a GPU. */
export interface CardStep extends CompiledStep {
  readonly card: string;
}

export interface CompileResult extends CardStep {
  readonly shape: string;
  readonly dropout: number;
}

const worker = fileURLToPath(new URL('compile-worker.js', import.meta.url));
const GIGABYTE = 1e9;
const GIBIBYTE = 2 ** 30;
const steps = [
  { shape: 'char-base, 64 × 256', dropout: 0 },
  { shape: 'char-base, 64 × 256', dropout: 0.2 },
  { shape: 'gpt2, 8 × 1024', dropout: 0 },
];

/**
 * @param folder value of CUDA_VARIABLE
 * @param shape name in `gpuShapes`
 * @param devices cards of a kind among which the batch is divided
 * @returns the step on each of `cards`
 */
export async function compileFor(folder: string, shape: string, dropout: number, devices = 1): Promise<CardStep[]> {
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' };
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [worker, folder, shape, String(dropout), String(devices)],
    {
      env,
    },
  );
  const found: CardStep[] = JSON.parse(stdout);
  return found;
}

/** The engine `xla`'s training steps in bf16, compiled for GPUs that this machine does not have. */
export async function compileAll(folder: string, say: (line: string) => void): Promise<CompileResult[]> {
  const results: CompileResult[] = [];
  for (const { shape, dropout } of steps) {
    say(`xla-compile: ${shape}, dropout ${String(dropout)}`);
    const found = await compileFor(folder, shape, dropout);
    results.push(...found.map((step) => ({ shape, dropout, ...step })));
  }
  return results;
}

export function compileSection(results: readonly CompileResult[]): string {
  const heads = [
    'Shape',
    'Dropout',
    'GPU',
    'Programs',
    'Command buffers',
    'Launches besides',
    'Products, bf16 + f32',
    'TFLOP',
    'Fused attention',
    'Loops',
    'Other kernels',
    'Their traffic, GB',
    'Memory, GiB',
    'At the device’s peak, ms',
  ];
  return table(
    heads,
    results.map((step) => [
      step.shape,
      String(step.dropout),
      step.card,
      String(step.programs),
      String(step.commandBuffers),
      String(step.launches),
      `${String(step.products.bf16)} + ${String(step.products.f32)}`,
      round(step.arithmetic / 1e12),
      String(step.attention),
      String(step.loops),
      String(step.kernels),
      round(step.traffic / GIGABYTE),
      round(step.memory / GIBIBYTE),
      round(step.milliseconds),
    ]),
  );
}
