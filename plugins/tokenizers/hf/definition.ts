import { z } from 'zod';
import { messageOf, UsageError } from '../../../core/index.js';

/** A normalizer, pre-tokenizer, decoder or model with its options. */
export type Component = z.output<typeof component>;

const component = z.looseObject({ type: z.string().optional() });
const addedToken = z.looseObject({
  id: z.number(),
  content: z.string(),
  normalized: z.boolean().optional(),
  special: z.boolean().optional(),
});
const schema = z.looseObject({
  model: component,
  added_tokens: z.array(addedToken).nullish(),
  normalizer: component.nullish(),
  pre_tokenizer: component.nullish(),
  post_processor: component.nullish(),
  decoder: component.nullish(),
});

/** Ids are signed 32-bit numbers here. */
const LARGEST_ID = 2 ** 31 - 2;

/** The parts of a tokenizer.json that this plugin needs; Hugging Face's library reads the file itself. */
export interface Definition {
  readonly model: Component;
  readonly normalizer: Component | undefined;
  readonly preTokenizer: Component | undefined;
  readonly postProcessor: Component | undefined;
  readonly added: readonly z.output<typeof addedToken>[];
  /** Returns the model's tokens with their ids, without added ones; empty for an unknown kind of model. */
  readonly tokens: () => Iterable<readonly [string, number]>;
}

/** @throws UsageError if it is not a tokenizer.json, has an invalid id, or is not deterministic */
export function readDefinition(text: string, source: string): Definition {
  let parsed: z.output<typeof schema>;
  try {
    parsed = schema.parse(JSON.parse(text));
  } catch (thrown) {
    const reason = thrown instanceof z.ZodError ? z.prettifyError(thrown) : messageOf(thrown);
    throw unusable(source, reason, thrown);
  }
  const { model } = parsed;
  if (typeof model['dropout'] === 'number' && model['dropout'] > 0) {
    throw new UsageError(
      'ESP_TOKENIZER_FILE',
      `${source}: model.dropout is ${String(model['dropout'])}: the same text would give different tokens each time; set it to null`,
    );
  }
  const added = parsed.added_tokens ?? [];
  for (const { content, id } of added) refuseId(content, id, source);
  for (const [token, id] of tokensOf(model)) refuseId(token, id, source);
  return {
    model,
    normalizer: parsed.normalizer ?? undefined,
    preTokenizer: parsed.pre_tokenizer ?? undefined,
    postProcessor: parsed.post_processor ?? undefined,
    added,
    tokens: () => tokensOf(model),
  };
}

/** Flattens nested sequences into a list of components. */
export function flat(whole: Component | undefined, key: 'normalizers' | 'pretokenizers' | 'processors'): Component[] {
  if (whole === undefined) return [];
  if (whole.type !== 'Sequence') return [whole];
  const inner = z.array(component).safeParse(whole[key]);
  return inner.success ? inner.data.flatMap((each) => flat(each, key)) : [{ type: 'unknown' }];
}

export function unusable(source: string, reason: string, cause: unknown): UsageError {
  return new UsageError(
    'ESP_TOKENIZER_FILE',
    `${source} is not a usable tokenizer.json: ${reason}; save it with Hugging Face’s tokenizer.save()`,
    { cause },
  );
}

function refuseId(token: string, id: number, source: string): void {
  if (Number.isInteger(id) && id >= 0 && id <= LARGEST_ID) return;
  throw new UsageError(
    'ESP_TOKENIZER_FILE',
    `${source}: the token ${JSON.stringify(token)} has the id ${String(id)}: ids are whole numbers from 0 to ${String(LARGEST_ID)}`,
  );
}

/** Unigram's vocabulary is a list of tokens with scores; others are objects. */
function* tokensOf(model: Component): Generator<readonly [string, number]> {
  const vocabulary = model['vocab'];
  if (Array.isArray(vocabulary)) {
    for (const [id, entry] of vocabulary.entries()) yield [String(Array.isArray(entry) ? entry[0] : entry), id];
  } else if (typeof vocabulary === 'object' && vocabulary !== null) {
    for (const token of Object.keys(vocabulary)) yield [token, Number(Reflect.get(vocabulary, token))];
  }
}
