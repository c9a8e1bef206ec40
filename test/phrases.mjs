// `npm run phrases`: phrases that are never right, in what people read: Markdown, and strings and comments of the code.
// Prints file, line and what to say, and exits with 1 if there is one.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const phrases = [
  { is: /\bhangs? on\b/i, say: 'depends on' },
  { is: /(?<!\bthere )\bis none\b/i, say: 'does not exist, or name what is missing' },
  { is: /\bof now\b(?![.()])/i, say: 'current, or "this run\'s"' },
  { is: /\bof then\b/i, say: 'previous, or "the checkpoint\'s"' },
  { is: /\b(?:is|are|be) told\b(?! (?:apart|from))/i, say: 'is reported, warned about or printed' },
  { is: /\bmend(?:s|ed)?\b/i, say: 'fix' },
  { is: /\bgoes on\b/i, say: 'resumes or continues' },
  { is: /\bthat it (?:is|was) not["'`]/i, say: 'a noun phrase: what it is' },
  { is: /\bto the bit\b/i, say: 'bit for bit' },
  { is: /\bbut for rounding\b/i, say: 'apart from rounding' },
];

/** Other people's words, and pages whose words are the code's. */
const left =
  /^(?:presets\/|test\/phrases\.mjs|test\/fixtures\/|docs\/reference\/(?:commands|config|events|metrics|plugins)\.md)/;

const files = execFileSync('git', ['ls-files', '-z', '*.md', '*.ts', '*.cts', '*.mjs', '*.yaml'], { encoding: 'utf8' })
  .split('\0')
  .filter((file) => file !== '' && !left.test(file));
let found = 0;
for (const file of files) {
  const lines = readFileSync(file, 'utf8').split('\n');
  for (const { is, say } of phrases) {
    for (const [index, line] of lines.entries()) {
      const match = is.exec(line);
      if (match === null) continue;
      console.log(`${file}:${index + 1}: "${match[0]}": say ${say}`);
      found++;
    }
  }
}
if (found > 0) process.exitCode = 1;
else console.log(`no phrase that is never right in ${files.length} files`);
