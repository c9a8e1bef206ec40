import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { type StoredTensor, type PretrainedWeights, UsageError } from '../../../core/index.js';
import {
  folderTensors,
  hasSafetensors,
  INDEX_FILE,
  readFolderTensors,
  WEIGHTS_FILE,
  type FolderTensor,
} from '../../checkpoint/contract.js';
import { gpt2Names, HEAD, isProjection, transposed, type Gpt2Name } from './gpt2.js';

const EMBEDDING = 'transformer.wte.weight';
const POSITIONS = 'transformer.wpe.weight';
const READ = ['F32', 'F16', 'BF16', 'F64'];
/** Weights of other kinds, as transformers and others name their files. */
const OTHER_FILES = /^(?:pytorch_model.*\.bin|adapter_model\..*|.*\.(?:safetensors|bin|pt|pth|ckpt|h5|msgpack|gguf))$/;

/**
 * The weights of a Hugging Face GPT-2 under our names, of one safetensors file or of shards: without wrappers' prefixes,
 * masks and a head that equals the embedding, [out, in] matrices turned (all or none: the first decides), positions
 * cropped.
 * @throws UsageError when there are none that can be read, with what to do
 */
export async function readPretrained(folder: string, blockSize: number): Promise<PretrainedWeights> {
  if (!hasSafetensors(folder)) throw noWeights(folder);
  const tensors = await folderTensors(folder);
  const { chosen, notes } = choose(folder, tensors);
  const read = await readFolderTensors([...chosen.values()]);
  const weights = new Map<string, StoredTensor>();
  for (const [name, { name: stored }] of chosen) {
    const tensor = read.get(stored);
    if (tensor !== undefined) weights.set(name, tensor);
  }
  takeHead(folder, weights);
  turn(weights);
  const positions = weights.get(POSITIONS);
  if (positions !== undefined) weights.set(POSITIONS, cropped(positions, blockSize));
  return { path: folder, weights, notes };
}

/** The tensors to read, by our names. @throws UsageError for two of one name, and for data types that are not read */
function choose(
  folder: string,
  tensors: ReadonlyMap<string, FolderTensor>,
): { chosen: Map<string, FolderTensor>; notes: string[] } {
  const names = gpt2Names(tensors.keys());
  const isMask = ({ isMask, stored }: Gpt2Name): boolean => isMask && tensors.get(stored)?.shape.length !== 1;
  const masks = names.filter(isMask);
  const chosen = new Map<string, FolderTensor>();
  for (const each of names) {
    const tensor = tensors.get(each.stored);
    if (tensor === undefined || isMask(each)) continue;
    const other = chosen.get(each.name);
    if (other !== undefined) {
      throw refusal(folder, `holds both ${other.name} and ${each.stored}, which are ${each.name}`, 'keep one of them');
    }
    if (!READ.includes(tensor.dtype)) {
      throw refusal(
        folder,
        `has ${each.stored} as ${tensor.dtype}, and only ${READ.join(', ')} are read`,
        converting(folder),
      );
    }
    chosen.set(each.name, tensor);
  }
  const prefixes = [...new Set(names.map(({ prefix }) => prefix).filter((prefix) => prefix !== ''))];
  const doubles = [...chosen.values()].filter(({ dtype }) => dtype === 'F64').length;
  return {
    chosen,
    notes: [
      ...(prefixes.length === 0 ? [] : [`names are taken without ${prefixes.join(', ')}`]),
      ...(doubles === 0 ? [] : [`${String(doubles)} tensors are F64 and are rounded to float32`]),
      ...(masks.length === 0
        ? []
        : [`${String(masks.length)} causal masks are left out (${masks[0]?.stored ?? ''}, …)`]),
    ],
  };
}

/** The model has one matrix for embedding and head: a file may have it under either name, or twice. */
function takeHead(folder: string, weights: Map<string, StoredTensor>): void {
  const head = weights.get(HEAD);
  if (head === undefined) return;
  const embedding = weights.get(EMBEDDING);
  weights.delete(HEAD);
  if (embedding === undefined) weights.set(EMBEDDING, head);
  else if (String(head.shape) !== String(embedding.shape) || !sameValues(head, embedding)) {
    throw refusal(
      folder,
      `has an output head of its own: ${HEAD} differs from ${EMBEDDING}, and this model has one matrix for both`,
      'tie them (tie_weights() in transformers) and train that model again',
    );
  }
}

function sameValues({ values: a }: StoredTensor, { values: b }: StoredTensor): boolean {
  return a.length === b.length && a.every((value, i) => Object.is(value, b[i]) || value === b[i]);
}

function turn(weights: Map<string, StoredTensor>): void {
  const [, first] = [...weights].find(([name]) => name.endsWith('.attn.c_attn.weight')) ?? [];
  const [rows = 0, columns = 0] = first?.shape ?? [];
  if (rows <= columns) return;
  for (const [name, tensor] of weights) if (isProjection(name)) weights.set(name, transposed(tensor));
}

function cropped({ shape: [rows = 0, width = 0], values }: StoredTensor, to: number): StoredTensor {
  const kept = Math.min(rows, to);
  return { shape: [kept, width], values: values.slice(0, kept * width) };
}

/** Neither a safetensors file nor an index: what is there, and how to make one of it. */
function noWeights(folder: string): UsageError {
  const wanted = `${WEIGHTS_FILE}, or ${INDEX_FILE} with its shards`;
  const others = readdirSync(folder).filter(
    (name) => OTHER_FILES.test(name) || name === 'pytorch_model.bin.index.json',
  );
  const [first] = others;
  if (first === undefined) return refusal(folder, `has config.json but no weights`, `put ${wanted}, beside it`);
  const named = `${first}${others.length > 1 ? ` and ${String(others.length - 1)} more` : ''}`;
  if (/^model-\d+-of-\d+\.safetensors$/.test(first)) {
    return refusal(folder, `has shards of weights (${named}) but no ${INDEX_FILE}`, 'download that too');
  }
  if (existsSync(path.join(folder, 'adapter_config.json'))) {
    return refusal(
      folder,
      `has an adapter alone (${named})`,
      'merge it into its model (merge_and_unload() of peft) and save that',
    );
  }
  const pickle = /\.(?:bin|pt|pth|ckpt)$|^pytorch_model/.test(first) ? ', which can run code when it is read' : '';
  return refusal(folder, `has ${named}${pickle}, and no ${wanted}`, converting(folder));
}

/** The command that makes a folder which is read of one that is not. */
function converting(folder: string): string {
  const to = `${folder}-f32`;
  return `convert it with transformers and set init to ${to}: python -c "from transformers import GPT2LMHeadModel as M; M.from_pretrained('${folder}').float().save_pretrained('${to}')"`;
}

function refusal(folder: string, what: string, todo: string): UsageError {
  return new UsageError('ESP_PRETRAINED', `${folder} ${what}; ${todo}`);
}
