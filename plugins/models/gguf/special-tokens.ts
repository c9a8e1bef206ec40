import { z } from 'zod';
import { flat, type Component, type Definition, type TokenizerJson } from '../../tokenizers/contract.js';
import { cannotRun } from './model.js';

/** Special tokens that a GGUF file may name. Source: `SpecialVocab` of gguf-py, `vocab.py`. */
const KINDS = ['bos', 'eos', 'unk', 'sep', 'pad', 'mask'] as const;

export interface SpecialTokens {
  /** Ids by kind: `bos`, `eos`, … */
  readonly ids: ReadonlyMap<string, number>;
  /** Whether tokenizing adds the token of this kind before or after a text. */
  readonly adds: ReadonlyMap<string, boolean>;
}

const piece = z.looseObject({
  SpecialToken: z.looseObject({ id: z.string() }).optional(),
  Sequence: z.looseObject({ id: z.string() }).optional(),
});
const template = z.looseObject({ single: z.array(piece).default([]), pair: z.array(piece).default([]) });

/**
 * Returns the special tokens that `tokenizer_config.json`, the post-processor and the model's config name, as gguf-py
 * does.
 * @throws UsageError for a post-processor that llama.cpp does not support
 */
export function specialTokens(
  { added, postProcessor }: Definition,
  given: TokenizerJson['config'],
  config: Readonly<Record<string, unknown>>,
): SpecialTokens {
  const tokens = new Map<string, string | undefined>([
    ['bos', given.bos_token],
    ['eos', given.eos_token],
  ]);
  const adds = new Map<string, boolean>();
  for (const processor of flat(postProcessor, 'processors')) {
    if (processor.type === 'TemplateProcessing') applyTemplate(processor, tokens, adds);
    else if (processor.type === 'ByteLevel') {
      for (const kind of ['bos', 'eos']) if (!adds.has(kind)) adds.set(kind, false);
    } else
      throw cannotRun(`has no post-processor ${processor.type ?? 'without a type'}`, 'save the tokenizer without it');
  }
  const ids = new Map<string, number>();
  for (const [kind, token] of tokens) {
    const id = added.find(({ content }) => content === token)?.id;
    if (id !== undefined) ids.set(kind, id);
  }
  for (const kind of KINDS) {
    const id = config[`${kind}_token_id`];
    if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && !ids.has(kind)) ids.set(kind, id);
  }
  return { ids, adds };
}

/** Reads a template: a token at the start is `bos`, one at the end `eos`, and one between two texts `sep`. */
function applyTemplate(
  processor: Component,
  tokens: Map<string, string | undefined>,
  adds: Map<string, boolean>,
): void {
  const { single, pair } = template.parse(processor);
  const first = single.length > 1 ? single[0]?.SpecialToken?.id : undefined;
  const last = single.length > 1 ? single.at(-1)?.SpecialToken?.id : undefined;
  if (first !== undefined) {
    if (tokens.get('bos') === undefined) tokens.set('bos', first);
    adds.set('bos', tokens.get('bos') === first);
  }
  if (last !== undefined) {
    const end = tokens.get('eos');
    if (end !== undefined && end !== last) tokens.set('eot', end);
    tokens.set('eos', last);
    adds.set('eos', true);
  }
  const from = first !== undefined && pair[0]?.SpecialToken?.id === first ? 1 : 0;
  const to = last !== undefined && pair.at(-1)?.SpecialToken?.id === last ? pair.length - 1 : pair.length;
  const texts = pair.slice(from, to);
  if (texts[0]?.Sequence?.id !== 'A' || texts.at(-1)?.Sequence?.id !== 'B' || texts.length < 3) return;
  const end = tokens.get('eos');
  const [separator, second] = texts.slice(1, -1).map((each) => each.SpecialToken?.id);
  const separates =
    (separator !== undefined && separator === end && last === undefined) ||
    (second !== undefined && second === end && texts.length === 4);
  adds.set('sep', separates);
  if (separates) tokens.set('sep', end);
}
