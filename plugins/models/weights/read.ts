import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { messageOf, type PretrainedWeights, type StoredTensor, type UsageError } from '../../../core/index.js';
import {
  folderTensors,
  hasSafetensors,
  INDEX_FILE,
  readFolderTensors,
  WEIGHTS_FILE,
  type FolderTensor,
} from '../../checkpoint/contract.js';
import type { ReadableModel, TensorNames } from './formats.js';
import { sameTensor } from './layout.js';
import { tensorNames, type TensorName } from './names.js';
import { refusal } from './refusal.js';

const READ = ['F32', 'F16', 'BF16', 'F64'];
/** File names of weights in other formats, as transformers and others write them. */
const OTHER_FILES = /^(?:pytorch_model.*\.bin|adapter_model\..*|.*\.(?:safetensors|bin|pt|pth|ckpt|h5|msgpack|gguf))$/;

/** How to read the tensors of a folder. */
export interface Reading {
  readonly names: TensorNames | undefined;
  readonly model: ReadableModel;
  readonly blockSize: number;
}

/**
 * Reads a folder's weights under a plugin's names, from one safetensors file or from shards, without wrappers'
 * prefixes, buffers and a tied head.
 * @throws UsageError if there are none that can be read, with what to do
 */
export async function readWeights(folder: string, { names, model, blockSize }: Reading): Promise<PretrainedWeights> {
  if (!hasSafetensors(folder)) throw noWeights(folder);
  const stored = await folderTensors(folder);
  const { chosen, notes } = choose(folder, stored, names);
  const read = await readFolderTensors([...chosen.values()]);
  const tensors = new Map<string, StoredTensor>();
  for (const [name, { name: inFile }] of chosen) {
    const tensor = read.get(inFile);
    if (tensor !== undefined) tensors.set(name, tensor);
  }
  read.clear();
  if (names !== undefined && model.tied === true) takeHead(folder, tensors, names);
  try {
    return { path: folder, weights: model.weights(tensors, { blockSize }), notes };
  } catch (thrown) {
    throw refused(folder, `cannot be read: ${messageOf(thrown)}`, 'save that model again', thrown);
  }
}

/**
 * Chooses the tensors to read, by the format's names. @throws UsageError for two of one name, and for unsupported data
 * types
 */
function choose(
  folder: string,
  tensors: ReadonlyMap<string, FolderTensor>,
  known: TensorNames | undefined,
): { chosen: Map<string, FolderTensor>; notes: string[] } {
  const names = known === undefined ? asTheyAre(tensors.keys()) : tensorNames(tensors.keys(), known);
  const isBuffer = ({ part, stored }: TensorName): boolean =>
    known?.buffers?.is(part, tensors.get(stored)?.shape ?? []) === true;
  const buffers = names.filter(isBuffer);
  const chosen = new Map<string, FolderTensor>();
  for (const each of names) {
    const tensor = tensors.get(each.stored);
    if (tensor === undefined || isBuffer(each)) continue;
    const other = chosen.get(each.name);
    if (other !== undefined) {
      throw refused(folder, `holds both ${other.name} and ${each.stored}, which are ${each.name}`, 'keep one of them');
    }
    if (!READ.includes(tensor.dtype)) {
      throw refused(
        folder,
        `has ${each.stored} as ${tensor.dtype}, but only ${READ.join(', ')} are supported`,
        converting(folder),
      );
    }
    chosen.set(each.name, tensor);
  }
  const prefixes = [...new Set(names.map(({ prefix }) => prefix).filter((prefix) => prefix !== ''))];
  const doubles = [...chosen.values()].filter(({ dtype }) => dtype === 'F64').length;
  const left = `${String(buffers.length)} ${known?.buffers?.what ?? ''} are skipped (${buffers[0]?.stored ?? ''}, …)`;
  return {
    chosen,
    notes: [
      ...(prefixes.length === 0 ? [] : [`the prefixes ${prefixes.join(', ')} are removed from names`]),
      ...(doubles === 0 ? [] : [`${String(doubles)} tensors are F64 and are rounded to float32`]),
      ...(buffers.length === 0 ? [] : [left]),
    ],
  };
}

function asTheyAre(stored: Iterable<string>): TensorName[] {
  return [...stored].map((name) => ({ stored: name, name, part: name, prefix: '' }));
}

/** With a tied head, a file may have the matrix under either name, or twice. */
function takeHead(folder: string, tensors: Map<string, StoredTensor>, names: TensorNames): void {
  const head = tensors.get(names.head);
  if (head === undefined) return;
  const name = names.root + names.embedding;
  const embedding = tensors.get(name);
  tensors.delete(names.head);
  if (embedding === undefined) tensors.set(name, head);
  else if (!sameTensor(head, embedding)) {
    throw refused(
      folder,
      `has an output head of its own: ${names.head} differs from ${name}, and its config.json says that they are one matrix`,
      'tie them (tie_weights() in transformers) and train that model again',
    );
  }
}

/** Returns the error for a folder without safetensors: what is there, and how to convert it. */
function noWeights(folder: string): UsageError {
  const wanted = `${WEIGHTS_FILE}, or ${INDEX_FILE} with its shards`;
  const others = readdirSync(folder).filter(
    (name) => OTHER_FILES.test(name) || name === 'pytorch_model.bin.index.json',
  );
  const [first] = others;
  if (first === undefined) return refused(folder, `has config.json but no weights`, `put ${wanted}, next to it`);
  const named = `${first}${others.length > 1 ? ` and ${String(others.length - 1)} more` : ''}`;
  if (/^model-\d+-of-\d+\.safetensors$/.test(first)) {
    return refused(folder, `has shards of weights (${named}) but no ${INDEX_FILE}`, 'download that too');
  }
  if (existsSync(path.join(folder, 'adapter_config.json'))) {
    return refused(
      folder,
      `has only an adapter (${named})`,
      'merge it into its model (merge_and_unload() of peft) and save that',
    );
  }
  const pickle = /\.(?:bin|pt|pth|ckpt)$|^pytorch_model/.test(first) ? ', which can run code when loaded' : '';
  return refused(folder, `has ${named}${pickle}, but no ${wanted}`, converting(folder));
}

/** Returns the command that converts a folder to a readable one. */
function converting(folder: string): string {
  const to = `${folder}-f32`;
  return `convert it with transformers and set init to ${to}: python -c "from transformers import AutoModelForCausalLM as M; M.from_pretrained('${folder}').float().save_pretrained('${to}')"`;
}

function refused(folder: string, what: string, todo: string, cause?: unknown): UsageError {
  return refusal(`${folder} ${what}`, todo, cause);
}
