import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { z } from 'zod';
import { messageOf } from '../../../core/index.js';
import { isForGpu, type TensorflowCopy } from './copies.js';

const TIMEOUT_MS = 60_000;

// Runs in a separate process: TensorFlow fixes its number of threads when it loads, and aborts on unsupported
// processors.
const CHECK = `
process.on('SIGUSR1', () => undefined);
const [binding, preload] = process.argv.slice(1);
if (preload) require(preload);
const { TF_Version, isUsingGpuDevice } = require(binding);
console.log(JSON.stringify({ version: TF_Version, gpu: isUsingGpuDevice() }));
`;

const answer = z.object({ version: z.string(), gpu: z.boolean() });

/** The result of loading a copy, in one line: its version, or why it fails to load. */
export interface CheckedCopy {
  works: boolean;
  /** True if it computes on a GPU. */
  gpu: boolean;
  detail: string;
}

/** Loads a copy's binding in a separate process and reports the result in one line. */
export async function checkCopy(copy: TensorflowCopy): Promise<CheckedCopy> {
  if (!existsSync(copy.binding)) return { works: false, gpu: false, detail: withoutBinding(copy) };
  const args = ['-e', CHECK, '--', copy.binding, ...(copy.preload === undefined ? [] : [copy.preload])];
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: process.env['TF_CPP_MIN_LOG_LEVEL'] ?? '2' };
  try {
    const { stdout } = await promisify(execFile)(process.execPath, args, { env, timeout: TIMEOUT_MS });
    const { version, gpu } = answer.parse(JSON.parse(stdout));
    const where = gpu ? 'GPU' : isForGpu(copy) ? 'CPU, as it finds no GPU' : 'CPU';
    return { works: true, gpu, detail: `TensorFlow ${version}, ${where} (${copy.source})` };
  } catch (thrown) {
    return { works: false, gpu: false, detail: `${copy.source} does not load: ${reason(thrown)}` };
  }
}

function withoutBinding(copy: TensorflowCopy): string {
  return `${copy.source} has no compiled binding (its download failed): run \`espalier engine install tensorflow\``;
}

/** Returns the line of a failed process's output that names the error. */
function reason(thrown: unknown): string {
  const lines = messageOf(thrown).split('\n').slice(1);
  return lines.find((line) => /Error: /.test(line)) ?? lines.find((line) => line.trim() !== '') ?? messageOf(thrown);
}
