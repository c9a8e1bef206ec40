import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** A Markdown page, by its path from the root of the repository. */
export interface Page {
  readonly file: string;
  readonly text: string;
}

/** A fenced code block of a page. */
export interface CodeBlock {
  readonly language: string;
  /** What follows the language: `excerpt`, a title. */
  readonly info: string;
  readonly code: string;
  readonly line: number;
}

/** The README and every page of `docs/`. */
export function pages(): Page[] {
  const inDocs = readdirSync('docs', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.md'));
  return ['README.md', ...inDocs.sort().map((file) => path.posix.join('docs', file.split(path.sep).join('/')))].map(
    (file) => ({ file, text: readFileSync(file, 'utf8') }),
  );
}

/** The fenced code blocks of a page, in their order. */
export function codeBlocks({ text }: Page): CodeBlock[] {
  return [...text.matchAll(/^```([\w-]*)([^\n]*)\n([^]*?)^```$/gm)].map(
    ({ 1: language = '', 2: info = '', 3: code = '', index }) => ({
      language,
      info: info.trim(),
      code,
      line: text.slice(0, index).split('\n').length,
    }),
  );
}

/** The files that a page shows, by name: blocks whose first line is a comment with it. */
export function namedFiles(page: Page): Map<string, string> {
  return new Map(
    codeBlocks(page).flatMap(({ info, code }): [string, string][] => {
      const name = info === 'excerpt' ? undefined : nameOf(code);
      return name === undefined ? [] : [[name, code]];
    }),
  );
}

/** The file that a block is: its first line is a comment with the name. */
export function nameOf(code: string): string | undefined {
  return /^(?:\/\/|#) ([\w./-]+\.(?:ts|yaml|json))\b/.exec(code)?.[1];
}

/** The page without its code, lines kept. */
export function proseOf({ text }: Page): string {
  const blank = (code: string): string => code.replaceAll(/[^\n]/g, ' ');
  return text.replaceAll(/^```[^]*?^```$/gm, blank).replaceAll(/`[^`\n]+`/g, blank);
}

/** The anchors of a page's headings, as GitHub makes them. */
export function anchorsOf({ text }: Page): Set<string> {
  const anchors = new Set<string>();
  const prose = text.replaceAll(/^```[^]*?^```$/gm, '');
  for (const { 1: heading = '' } of prose.matchAll(/^#{1,6} (.+)$/gm)) {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1');
    const slug = plain
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
      .replaceAll(' ', '-');
    let anchor = slug;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${slug}-${String(n)}`;
    anchors.add(anchor);
  }
  return anchors;
}
