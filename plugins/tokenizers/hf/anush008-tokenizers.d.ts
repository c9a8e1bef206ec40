/** The part of Hugging Face's Rust library that we call; the package's own types do not compile. */
declare module '@anush008/tokenizers' {
  export interface Encoding {
    getIds(): number[];
  }
  export class Tokenizer {
    static fromString(definition: string): Tokenizer;
    disableTruncation(): void;
    disablePadding(): void;
    tokenToId(token: string): number | null;
    idToToken(id: number): string | null;
    encode(text: string, pair: null, options: { addSpecialTokens: boolean }): Promise<Encoding>;
    encodeBatch(texts: string[], options: { addSpecialTokens: boolean }): Promise<Encoding[]>;
    decode(ids: number[], skipSpecialTokens: boolean): Promise<string>;
  }
}

/** The official package has the same interface. */
declare module 'tokenizers' {
  export { Tokenizer } from '@anush008/tokenizers';
}
