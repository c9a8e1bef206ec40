import type { TensorNames } from './formats.js';

/** Prefixes of compiled, sharded and checkpointed modules, anywhere in a name. */
const WRAPPERS = /(?<=^|\.)(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module)\./g;
/** Names of the objects that hold the model, in front of all others. */
const HOLDERS = /^(?:(?:module|model|base_model|transformer)\.)+/;

/** A tensor name in a file, parsed. */
export interface TensorName {
  /** The name in the file. */
  readonly stored: string;
  /**
   * The format's name: `transformer.h.0.ln_1.weight`, `lm_head.weight`; the file's own if the format has no such part.
   */
  readonly name: string;
  /** After the root: `h.0.ln_1.weight`. */
  readonly part: string;
  /** The prefix in the file, without the root; '' for none. */
  readonly prefix: string;
}

/**
 * Parses the tensor names of files with or without the root, and with the prefixes that wrappers leave (`_orig_mod.`,
 * `module.`, `model.`, `base_model.`), or with any other that the token embedding has too.
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
