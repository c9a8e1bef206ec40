import { z } from 'zod';
import type { Tokenizer } from '../../../core/index.js';
import { encodeExample } from '../evaluators/encode.js';
import { badExample, type Example } from '../evaluators/example-file.js';

/** A record in HellaSwag's format; other keys are ignored. */
export const recordSchema = z.looseObject({
  ctx: z.string().optional(),
  /** Without `ctx`, the context is `ctx_a`, a space and `ctx_b`, as in HellaSwag's own files. */
  ctx_a: z.string().optional(),
  ctx_b: z.string().optional(),
  endings: z.array(z.string()).min(2, 'give at least two endings'),
  /** A number, or a string of digits as in Hugging Face's copy. */
  label: z.preprocess((given) => (typeof given === 'string' && /^\d+$/.test(given) ? Number(given) : given), z.int()),
});
type Record = z.output<typeof recordSchema>;

/** A context followed by an ending. */
export interface Row {
  /** Context and ending. */
  readonly ids: Int32Array;
  /** Number of tokens in the ending. */
  readonly endingLength: number;
}

export interface Question {
  readonly rows: readonly Row[];
  /** Index of the right ending. */
  readonly label: number;
}

/**
 * Encodes a record: the context, then a space and the ending. If they do not fit into the window together, the context
 * loses its first tokens.
 * @throws UsageError naming file, line and key
 */
export async function questionOf(
  { record, place }: Example<Record>,
  tokenizer: Tokenizer,
  blockSize: number,
): Promise<Question> {
  const { label, endings } = record;
  if (label < 0 || label >= endings.length) {
    const range = `a number from 0 to ${String(endings.length - 1)}`;
    throw badExample(
      `${place}: label`,
      `${String(label)} is not one of the ${String(endings.length)} endings: give ${range}`,
    );
  }
  const context = await encodeExample(tokenizer, contextOf(record), `${place}: ctx`);
  const rows: Row[] = [];
  for (const [index, text] of endings.entries()) {
    const what = `${place}: endings.${String(index)}`;
    if (text.trim() === '') throw badExample(what, 'has no tokens: give at least one character');
    const ending = await encodeExample(tokenizer, ` ${text}`, what);
    if (ending.length > blockSize) {
      throw badExample(
        what,
        `has ${String(ending.length)} tokens, but the model's window has ${String(blockSize)}: shorten it`,
      );
    }
    // The last token is only predicted, not read, so it needs no place in the window.
    const kept = context.subarray(Math.max(0, context.length + ending.length - 1 - blockSize));
    rows.push({ ids: Int32Array.of(...kept, ...ending), endingLength: ending.length });
  }
  return { rows, label };
}

function contextOf({ ctx, ctx_a: first = '', ctx_b: second = '' }: Record): string {
  return ctx ?? `${first} ${second}`.trim();
}
