import fc from '../../property.js';

/** Text on which tokenizers have been seen to disagree. */
const PIECES = [
  ...[
    "it's",
    "'S DON'T",
    'the',
    ' the',
    '  ',
    '    ',
    '\n\n',
    ' \n',
    '\t',
    '\r\n',
    '\u0085',
    '\u2028',
    '\u00a0',
    '\ufeff',
  ],
  ...['été', 'e\u0301', 'n\u0303', '=\u0338', 'ﬁ', 'ΑΣ ', 'ΣΑΣ', 'ſ', 'İ', 'ß', '½²', '١٢', '123', '4567', 'Ⅷ'],
  ...[
    '中文',
    ' 中文',
    '，好。',
    '𠮷',
    '㐀',
    'こんにちは',
    '한국어',
    'ราย',
    'привет мир',
    'שלום',
    '\u{1f468}\u200d\u{1f469}',
    '😀',
    '🇩🇪',
  ],
  ...[
    'a,b',
    'a!!b',
    '.\n',
    '!!\n\n  a',
    '...',
    '===',
    'x = y[1];\n',
    'for (let i = 0;',
    '# ',
    'http://x.y/z?a=1',
    '_a_',
    '\\',
    '`',
  ],
  ...[
    '<|a b|>',
    '<s>',
    '</s>',
    '<eos>',
    '<|endoftext|>',
    '<|im_end|>',
    '<mask>',
    '▁a',
    '▁▁',
    '<0x0A>',
    '\u0000',
    '\u0007',
    '\u007f',
  ],
  ...['aaa', 'ab ab', 'cat', 'category', 'c.', 'a b', ' ', 'z'.repeat(300), '. '.repeat(40)],
];

/** Ordinary and unusual text: words, code, other scripts, white space, control characters, added tokens. */
export const oddText = fc
  .array(fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...PIECES) }, fc.string({ unit: 'binary', maxLength: 4 })), {
    maxLength: 20,
  })
  .map((parts) => parts.join(''));
