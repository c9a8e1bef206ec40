/** A small byte-level BPE `tokenizer.json` like GPT-2's: every byte, two merges and an end of text. */
export function byteLevelTokenizer(more: Readonly<Record<string, number>> = {}): object {
  const letters = byteLetters();
  const vocab = Object.fromEntries(letters.map((letter, byte) => [letter, byte]));
  const end = { id: 256, content: '<|endoftext|>' };
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [{ ...end, ...flags }],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      vocab: { ...vocab, [end.content]: end.id, th: 257, the: 258, ...more },
      merges: [
        ['t', 'h'],
        ['th', 'e'],
      ],
    },
  };
}

/** GPT-2's printable letter for each byte. */
function byteLetters(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCodePoint(printable ? byte : next++);
  });
}
