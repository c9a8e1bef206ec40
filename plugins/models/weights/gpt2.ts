import type { StoredTensor } from '../../../core/index.js';

/** Names that compiled, sharded and checkpointed modules put anywhere in front of a part's own. */
const WRAPPERS = /(?<=^|\.)(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module)\./g;
/** Names of what holds the model, in front of all others. */
const HOLDERS = /^(?:(?:module|model|base_model|transformer)\.)+/;
const EMBEDDING = 'wte.weight';
/** The parts of a GPT-2 below `transformer.`. */
const BODY = /^(?:wte|wpe|ln_f|h\.\d+)\./;
/** Constants that transformers keeps beside the weights: the causal mask and what masked scores are set to. */
const MASK = /^h\.\d+\.attn\.(?:bias|masked_bias)$/;

export const HEAD = 'lm_head.weight';

/** What a name in a file means. */
export interface Gpt2Name {
  /** The weight's name in the file. */
  readonly stored: string;
  /** Ours: `transformer.h.0.ln_1.weight`, `lm_head.weight`; the file's own where it is no part of a GPT-2. */
  readonly name: string;
  /** A causal mask, which is no weight. */
  readonly isMask: boolean;
  /** What stood in front in the file, but for `transformer.`; '' for nothing. */
  readonly prefix: string;
}

/**
 * Names of a GPT-2's weights, of files with and without `transformer.`, and with the prefixes that wrappers leave
 * (`_orig_mod.`, `module.`, `model.`, `base_model.`), or any other that the token embedding has too.
 */
export function gpt2Names(stored: Iterable<string>): Gpt2Name[] {
  const bare = [...stored].map((name) => ({ name, known: withoutKnown(name) }));
  const embeddings = bare.filter(({ known }) => known === EMBEDDING || known.endsWith(`.${EMBEDDING}`));
  const [embedding] = embeddings;
  const other = embeddings.length === 1 ? (embedding?.known.slice(0, -EMBEDDING.length) ?? '') : '';
  const outer = other.replace(/transformer\.$/, '');
  return bare.map(({ name, known }) => {
    const prefix = [other, outer].find((each) => known.startsWith(each)) ?? '';
    const part = withoutKnown(known.slice(prefix.length));
    const isBody = BODY.test(part);
    const isPart = isBody || part === HEAD;
    return {
      stored: name,
      name: isBody ? `transformer.${part}` : isPart ? part : name,
      isMask: MASK.test(part),
      prefix: isPart && name.endsWith(part) ? name.slice(0, -part.length).replace(/transformer\.$/, '') : '',
    };
  });
}

function withoutKnown(name: string): string {
  return name.replace(WRAPPERS, '').replace(HOLDERS, '');
}

/** The matrices that Hugging Face's GPT-2 keeps as [in, out] and nanoGPT, with `nn.Linear`, as [out, in]. */
const PROJECTION = /\.(attn\.c_attn|attn\.c_proj|mlp\.c_fc|mlp\.c_proj)\.weight$/;

/** True for a weight whose layout the two have the other way round. */
export function isProjection(name: string): boolean {
  return PROJECTION.test(name);
}

/** [rows, columns] → [columns, rows] */
export function transposed({ shape: [rows = 0, columns = 0], values }: StoredTensor): StoredTensor {
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) turned[column * rows + row] = values[row * columns + column] ?? 0;
  }
  return { shape: [columns, rows], values: turned };
}
