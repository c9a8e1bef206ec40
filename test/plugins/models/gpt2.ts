import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { PretrainedWeights } from '../../../core/index.js';
import { huggingFaceGpt2 as format } from '../../../plugins/models/gpt/format.js';
import { readWeights } from '../../../plugins/models/weights/read.js';

/** The config of `fixtures/gpt2-tiny`. */
const config = JSON.parse(readFileSync(path.resolve('test/fixtures/gpt2-tiny/config.json'), 'utf8')) as Record<
  string,
  unknown
>;

/** Reads a folder of weights as a GPT-2 of the fixture's shape. */
export function readGpt2(folder: string, blockSize: number): Promise<PretrainedWeights> {
  return readWeights(folder, { names: format.names, model: format.read(config), blockSize });
}
