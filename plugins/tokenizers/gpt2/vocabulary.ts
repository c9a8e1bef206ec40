import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** GPT-2's tokens, without the special one. */
export interface Vocabulary {
  /** The bytes of every token as a latin1 string, by id. */
  readonly tokens: readonly string[];
  /** Ids by bytes. A token's id is also the rank of the merge that makes it. */
  readonly ids: ReadonlyMap<string, number>;
}

let loaded: Vocabulary | undefined;

/** Reads OpenAI's r50k_base, which gpt-tokenizer includes: one line per token, with its bytes in base64 and its id. */
export function vocabulary(): Vocabulary {
  loaded ??= parse(
    readFileSync(createRequire(import.meta.url).resolve('gpt-tokenizer/data/r50k_base.tiktoken'), 'latin1'),
  );
  return loaded;
}

function parse(file: string): Vocabulary {
  const tokens: string[] = [];
  for (const line of file.split('\n')) {
    const [bytes = '', id] = line.split(' ');
    if (id !== undefined) tokens[Number(id)] = Buffer.from(bytes, 'base64').toString('latin1');
  }
  return { tokens, ids: new Map(tokens.map((token, id) => [token, id])) };
}
