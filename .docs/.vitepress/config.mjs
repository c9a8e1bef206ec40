import { readFileSync } from 'node:fs';
import path from 'node:path';
import { defineConfig } from 'vitepress';

const parts = readFileSync(path.join(import.meta.dirname, '../../docs/README.md'), 'utf8')
  .split(/^## /m)
  .slice(1);

/** The site is made of `docs/` as it is: its index is the sidebar too. */
export default defineConfig({
  title: 'Espalier',
  description: 'A plugin-based training pipeline for GPT-style language models',
  srcDir: '../docs',
  rewrites: { 'README.md': 'index.md' },
  markdown: {
    // Texts of the generated pages have `<name>` and `{{`: they are text, not Vue.
    html: false,
    config(md) {
      md.core.ruler.before('normalize', 'comments', removeComments);
      md.core.ruler.push('links-to-code', unlinkCode);
    },
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    sidebar: parts.map(section),
    nav: parts.slice(0, 4).map((part) => ({ text: titleOf(part), link: section(part).items[0]?.link ?? '/' })),
  },
});

/** A part of the index, as a section of the sidebar: its links, in their order. */
function section(part) {
  const links = [...part.matchAll(/\[([^\]]+)\]\(([^)#]+\.md)\)/g)];
  return {
    text: titleOf(part),
    collapsed: false,
    items: links.map(([, text, link]) => ({ text: text.charAt(0).toUpperCase() + text.slice(1), link: `/${link}` })),
  };
}

function titleOf(part) {
  return part.slice(0, part.indexOf('\n'));
}

/** Comments, such as the marks of what a program writes, are for editors of the files: without HTML they would be text. */
function removeComments(state) {
  state.src = state.src.replaceAll(/^<!--.*-->$/gm, '');
}

/** Files of the repository outside `docs/` are not on the site: what links to them becomes plain text. */
function unlinkCode({ tokens, env }) {
  const folder = path.posix.dirname(env.relativePath ?? '');
  for (const { children } of tokens.filter(({ type }) => type === 'inline')) {
    let isOutside = false;
    for (const token of children) {
      if (token.type === 'link_open') isOutside = leavesDocs(folder, token.attrGet('href') ?? '');
      if (!isOutside || !['link_open', 'link_close'].includes(token.type)) continue;
      if (token.type === 'link_close') isOutside = false;
      Object.assign(token, { type: 'text', tag: '', nesting: 0, content: '', attrs: null });
    }
  }
}

function leavesDocs(folder, href) {
  return !/^[a-z]+:|^#/.test(href) && path.posix.normalize(path.posix.join(folder, href)).startsWith('..');
}
