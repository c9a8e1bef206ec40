/** The package's own types import files without an extension, which Node's resolution does not find. */
declare module '@huggingface/tokenizers' {
  export class Tokenizer {
    /** @param definition a tokenizer.json @param config a tokenizer_config.json */
    constructor(definition: object, config: object);
    encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
    decode(ids: number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string;
    get_vocab(withAddedTokens: boolean): Map<string, number>;
    id_to_token(id: number): string | undefined;
  }
}
