import type { TensorNames } from './formats.js';

/** Names that compiled, sharded and checkpointed modules put anywhere in front of a part's own. */
const WRAPPERS = /(?<=^|\.)(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module)\./g;
/** Names of what holds the model, in front of all others. */
const HOLDERS = /^(?:(?:module|model|base_model|transformer)\.)+/;

/** What a name in a file means. */
export interface TensorName {
  /** The tensor's name in the file. */
  readonly stored: string;
  /** The format's: `transformer.h.0.ln_1.weight`, `lm_head.weight`; the file's own where the format has no such part. */
  readonly name: string;
  /** Behind the root: `h.0.ln_1.weight`. */
  readonly part: string;
  /** What stood in front in the file, but for the root; '' for nothing. */
  readonly prefix: string;
}

/**
 * Names of a model's tensors, of files with and without the root, and with the prefixes that wrappers leave (`_orig_mod.`,
 * `module.`, `model.`, `base_model.`), or any other that the token embedding has too.
 */
export function tensorNames(stored: Iterable<string>, names: TensorNames): TensorName[] {
  const { root, body, embedding, head } = names;
  const withoutRoot = (prefix: string): string => (prefix.endsWith(root) ? prefix.slice(0, -root.length) : prefix);
  const bare = [...stored].map((name) => ({ name, known: withoutKnown(name) }));
  const embeddings = bare.filter(({ known }) => known === embedding || known.endsWith(`.${embedding}`));
  const [first] = embeddings;
  const other = embeddings.length === 1 ? (first?.known.slice(0, -embedding.length) ?? '') : '';
  return bare.map(({ name, known }) => {
    const prefix = [other, withoutRoot(other)].find((each) => known.startsWith(each)) ?? '';
    const part = withoutKnown(known.slice(prefix.length));
    const isBody = body.test(part);
    const isPart = isBody || part === head;
    return {
      stored: name,
      name: isBody ? root + part : isPart ? part : name,
      part,
      prefix: isPart && name.endsWith(part) ? withoutRoot(name.slice(0, -part.length)) : '',
    };
  });
}

function withoutKnown(name: string): string {
  return name.replace(WRAPPERS, '').replace(HOLDERS, '');
}
