import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { inspect, isDeepStrictEqual } from 'node:util';
import type { ExecutionContext } from 'ava';
import { writeSafetensors } from '../../../../plugins/checkpoint/contract.js';
import { writeGguf, type GgufDtype } from '../../../../plugins/models/gguf/container.js';
import { ggufContent } from '../../../../plugins/models/gguf/content.js';
import type { HuggingFaceModel } from '../../../../plugins/models/gguf/model.js';
import { tokenizerJson, type TokenizerJson } from '../../../../plugins/tokenizers/contract.js';
import { emptyFolder } from '../../../e2e/command.js';
import { ggufConverter, needing, peersPython, python, tokenizerFiles } from '../../../needs.js';
import { smallGpt2, smallLlama, type FamilyMember } from './models.js';
import { readGguf, type ReadGguf } from './read.js';

const converter = ggufConverter();
const needs = [converter, python('torch', 'transformers', 'sentencepiece')];

/** Runs convert_hf_to_gguf.py with each list of arguments in one process, since half of its time is loading PyTorch. */
const CONVERT = `
import json, sys, transformers
# Otherwise transformers makes a tokenizer of the model's class, whatever tokenizer.json says.
transformers.AutoTokenizer.from_pretrained = transformers.PreTrainedTokenizerFast.from_pretrained
sys.path.insert(0, sys.argv[1])
import convert_hf_to_gguf
for arguments in json.loads(sys.argv[2]):
    sys.argv = ["convert", *arguments, "--model-name", "a small model"]
    convert_hf_to_gguf.main()
`;
const MINUTE = 60_000;

needing(...needs).serial('each architecture: the metadata and tensors that llama.cpp’s converter writes', async (t) => {
  t.timeout(10 * MINUTE);
  const tokenizer = await tokenizerJson({ tokenizer: 'gpt2' });
  if (tokenizer === undefined) throw new Error('gpt2 has a tokenizer.json');
  const vocabSize = 50304;
  const members: FamilyMember[] = ['llama', 'llama3', 'mistral', 'qwen2', 'qwen3'];
  const models = [smallGpt2(vocabSize), ...members.map((member) => smallLlama(member, vocabSize))];
  const folders: string[] = [];
  for (const model of models) folders.push(await folderOf(t, model, tokenizer));
  const dtypes: GgufDtype[] = ['f32', 'f16'];
  convert(
    folders.flatMap((folder) =>
      dtypes.map((dtype) => [folder, '--outtype', dtype, '--outfile', theirs(folder, dtype)]),
    ),
  );
  for (const [index, model] of models.entries()) {
    for (const dtype of dtypes) await same(t, folders[index] ?? '', model, tokenizer, dtype);
  }
});

needing(...needs, tokenizerFiles()).serial('tokenizers of published models: the same metadata', async (t) => {
  t.timeout(10 * MINUTE);
  const known = tokenizerFiles().files.filter((file) => /deepseek_v3|gpt4o|llama3|qwen3/.test(file));
  t.is(known.length, 4);
  const model = smallLlama('qwen3', 200064);
  for (const file of known) {
    const tokenizer = published(file);
    const folder = await folderOf(t, model, tokenizer);
    convert([[folder, '--vocab-only', '--outtype', 'f16', '--outfile', theirs(folder, 'f16')]]);
    const metadata = await ours(folder, model, tokenizer, 'f16');
    sameMetadata(t, path.basename(file), tokenizerKeys(metadata), tokenizerKeys(readGguf(theirs(folder, 'f16'))));
  }
});

/**
 * Tokens that the published tokenizers, but not the files, put in front of a text: the converter recognizes them by
 * that.
 */
const STARTS: Readonly<Record<string, string>> = {
  'llama3.json': '<|begin_of_text|>',
  'deepseek_v3.json': '<｜begin▁of▁sentence｜>',
};

function published(file: string): TokenizerJson {
  const text = readFileSync(file, 'utf8');
  const start = STARTS[path.basename(file)];
  if (start === undefined) return { definition: text, config: {} };
  const definition = JSON.parse(text) as { added_tokens: { id: number; content: string }[]; post_processor: unknown };
  const id = definition.added_tokens.find(({ content }) => content === start)?.id;
  const [first, a, b] = [{ SpecialToken: { id: start, type_id: 0 } }, ...['A', 'B'].map(sequence)];
  const template = {
    type: 'TemplateProcessing',
    single: [first, a],
    pair: [first, a, first, b],
    special_tokens: { [start]: { id: start, ids: [id], tokens: [start] } },
  };
  const processors = [definition.post_processor, template];
  return {
    definition: JSON.stringify({ ...definition, post_processor: { type: 'Sequence', processors } }),
    config: { bos_token: start },
  };
}

function sequence(id: string): unknown {
  return { Sequence: { id, type_id: 0 } };
}

async function folderOf(
  t: ExecutionContext,
  { config, weights }: HuggingFaceModel,
  tokenizer: TokenizerJson,
): Promise<string> {
  // A space, because the converter splits any other name into base name, version and size.
  const folder = path.join(emptyFolder(t), 'a model');
  mkdirSync(folder);
  writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config));
  writeFileSync(path.join(folder, 'tokenizer_config.json'), JSON.stringify(tokenizer.config));
  writeFileSync(path.join(folder, 'tokenizer.json'), tokenizer.definition);
  await writeSafetensors(path.join(folder, 'model.safetensors'), weights, { format: 'pt' });
  return folder;
}

function convert(runs: readonly (readonly string[])[]): void {
  execFileSync(peersPython, ['-c', CONVERT, converter.folder, JSON.stringify(runs)], { stdio: 'pipe' });
}

function theirs(folder: string, dtype: GgufDtype): string {
  return path.join(folder, `theirs-${dtype}.gguf`);
}

async function ours(
  folder: string,
  model: HuggingFaceModel,
  tokenizer: TokenizerJson,
  dtype: GgufDtype,
): Promise<ReadGguf> {
  const file = path.join(folder, `ours-${dtype}.gguf`);
  await writeGguf(file, ggufContent(model, { name: 'a small model', dtype, tokenizer }));
  return readGguf(file);
}

async function same(
  t: ExecutionContext,
  folder: string,
  model: HuggingFaceModel,
  tokenizer: TokenizerJson,
  dtype: GgufDtype,
): Promise<void> {
  const expected = readGguf(theirs(folder, dtype));
  const actual = await ours(folder, model, tokenizer, dtype);
  const of = `${String(model.config['model_type'])}, ${dtype}`;
  sameMetadata(t, of, actual.metadata, expected.metadata);
  t.deepEqual([...actual.tensors.keys()].sort(), [...expected.tensors.keys()].sort(), of);
  for (const [name, { shape, type, bytes }] of expected.tensors) {
    const own = actual.tensors.get(name);
    t.deepEqual([own?.shape, own?.type], [shape, type], `${of}: ${name}`);
    t.true(own?.bytes.equals(bytes), `${of}: ${name}`);
  }
}

function tokenizerKeys({ metadata }: ReadGguf): ReadGguf['metadata'] {
  return new Map([...metadata].filter(([key]) => key.startsWith('tokenizer.')));
}

function sameMetadata(
  t: ExecutionContext,
  of: string,
  own: ReadGguf['metadata'],
  expected: ReadGguf['metadata'],
): void {
  t.deepEqual([...own.keys()].sort(), [...expected.keys()].sort(), of);
  for (const [key, value] of expected) {
    // Not `deepEqual`: a vocabulary has 100,000 tokens, and ava would print them all.
    t.true(isDeepStrictEqual(own.get(key), value), `${of}: ${key} is ${shown(own.get(key))}, theirs ${shown(value)}`);
  }
}

function shown(value: unknown): string {
  return inspect(value, { maxArrayLength: 20, maxStringLength: 200, depth: 4 });
}
