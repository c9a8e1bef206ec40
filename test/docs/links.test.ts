import { existsSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { anchorsOf, pages, proseOf } from './pages.js';

const all = new Map(pages().map((page) => [page.file, page]));

test('every relative link of the documentation leads to a file, and every anchor to a heading', (t) => {
  const broken = [...all.values()].flatMap((page) =>
    linksOf(proseOf(page)).flatMap(({ target, line }) => {
      if (/^[a-z]+:/.test(target)) return [];
      const [file = '', anchor] = target.split('#');
      const at = file === '' ? page.file : path.posix.join(path.posix.dirname(page.file), file);
      const found = all.get(at);
      const leads = existsSync(at) && (anchor === undefined || found === undefined || anchorsOf(found).has(anchor));
      return leads ? [] : [`${page.file}:${String(line)}: ${target}`];
    }),
  );
  t.deepEqual(broken, []);
});

test('every file and folder of the repository that a page names exists', (t) => {
  const named = /(?<![\w./-])((?:core|plugins|presets|test|docs|dist|\.docs|\.ci)\/[\w./-]*\w)(?![\w*/[]|\.\.)/g;
  const lost = [...all.values()].flatMap(({ file, text }) =>
    codeOf(text).flatMap((code) =>
      [...code.matchAll(named)].flatMap(([, name = '']) => {
        // What is compiled is there as its source; capitals stand for names, as in plugins/FAMILY.
        const source = name.replace(/^dist\/(.*)\.js$/, '$1.ts');
        return /[A-Z]{3}/.test(name) || existsSync(source) || existsSync(`${source}.ts`) ? [] : [`${file}: ${name}`];
      }),
    ),
  );
  t.deepEqual([...new Set(lost)], []);
});

test('every page is in the index and has exactly one title', (t) => {
  const index = all.get('docs/README.md');
  t.truthy(index);
  const listed = linksOf(index?.text ?? '').map(({ target }) => path.posix.join('docs', target.split('#')[0] ?? ''));
  const lost = [...all.keys()].filter((file) => !['README.md', 'docs/README.md', ...listed].includes(file));
  t.deepEqual(lost, []);
  const titles = [...all.values()].map((page) => [page.file, proseOf(page).match(/^# /gm)?.length]);
  t.deepEqual(
    titles.filter(([, count]) => count !== 1),
    [],
  );
});

test('every picture has an alternative text', (t) => {
  const bare = [...all.values()].flatMap(({ file, text }) => [
    ...(text.match(/!\[\s*\]\([^)]*\)/g) ?? []).map((picture) => `${file}: ${picture}`),
    ...(text.match(/<img\b[^>]*>/g) ?? []).filter((tag) => !/\balt="[^"]+"/.test(tag)).map((tag) => `${file}: ${tag}`),
  ]);
  t.deepEqual(bare, []);
});

/** What a page has in code font, and its shell blocks. */
function codeOf(text: string): string[] {
  const shell = [...text.matchAll(/^```(?:sh|console)\n([^]*?)^```$/gm)].map(([, code = '']) => code);
  return [...shell, ...(text.replaceAll(/^```[^]*?^```$/gm, '').match(/`[^`\n]+`/g) ?? [])];
}

function linksOf(text: string): { target: string; line: number }[] {
  return [...text.matchAll(/\]\(([^)\s]+)(?:\s+"[^"]*")?\)|(?:src|href|srcset)="([^"]+)"/g)].map((match) => ({
    target: match[1] ?? match[2] ?? '',
    line: text.slice(0, match.index).split('\n').length,
  }));
}
