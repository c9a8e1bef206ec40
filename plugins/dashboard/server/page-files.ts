import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folders of the page's compiled modules, and of its HTML and CSS, which are not compiled. */
const compiled = fileURLToPath(new URL('../page/', import.meta.url));
const written = fileURLToPath(new URL('../../../../plugins/dashboard/page/', import.meta.url));

/** Returns the page's modules by name without `.js`. They import each other as `./NAME.js`, and `uplot`. */
export function pageModules(): Map<string, string> {
  const names = readdirSync(compiled).filter((file) => file.endsWith('.js'));
  return new Map(
    names.sort().map((file) => [path.basename(file, '.js'), readFileSync(path.join(compiled, file), 'utf8')]),
  );
}

/** Returns uPlot as a module: its smallest build is a script that sets a global variable. */
export function uplotModule(): string {
  return `${uplotFile('uPlot.iife.min.js')}\nexport default uPlot;\n`;
}

/** Returns uPlot's style and the page's. The page's files are numbered, since later rules win. */
export function pageStyle(): string {
  const files = readdirSync(written).filter((file) => file.endsWith('.css'));
  return [
    uplotFile('uPlot.min.css'),
    ...files.sort().map((file) => readFileSync(path.join(written, file), 'utf8')),
  ].join('\n');
}

/** Returns the page's HTML with a title and the content of its head. */
export function pageHtml(title: string, head: string): string {
  const parts: Record<string, string> = { title: escapeHtml(title), head };
  return readFileSync(path.join(written, 'index.html'), 'utf8').replaceAll(
    /\{\{(title|head)\}\}/g,
    (_, name: string) => parts[name] ?? '',
  );
}

export function importMap(imports: Readonly<Record<string, string>>): string {
  return `<script type="importmap">${inScript(JSON.stringify({ imports }))}</script>`;
}

/** Escapes JSON for a `<script>`, so that it cannot end the element or start a comment. */
export function inScript(json: string): string {
  return json.replaceAll('<', String.raw`\u003c`);
}

export function escapeHtml(text: string): string {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replaceAll(/[&<>"']/g, (character) => names[character] ?? character);
}

/** Returns the hash that a content security policy uses to allow an inline script. */
export function scriptHash(html: string): string {
  const text = /^<script[^>]*>(.*)<\/script>$/s.exec(html)?.[1] ?? '';
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

function uplotFile(name: string): string {
  return readFileSync(createRequire(import.meta.url).resolve(`uplot/dist/${name}`), 'utf8');
}
