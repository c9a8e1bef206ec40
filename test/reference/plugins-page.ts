import { readdirSync, readFileSync } from 'node:fs';
import { shortNameIn, slotKeys } from '../../core/config/slot-keys.js';
import { loadBuiltIns } from '../../core/families/load.js';
import type { PluginOptions } from '../../core/plugins/plugin.js';
import { describeOptions } from '../../plugins/configs/printing/options.js';
import { cell, GENERATED } from './markdown.js';

/** A page of the guides, by its path in `docs/`. */
interface Page {
  readonly file: string;
  readonly title: string;
  /** Its code blocks and what is in code font. */
  readonly code: string;
}

/** The built-in plugins by slot, each with its options and the guide that is about it. */
export async function pluginsPage(): Promise<string> {
  const { plugins } = await loadBuiltIns();
  const guides = readGuides();
  const sections = [...Object.keys(slotKeys), undefined].map((slot) => {
    const rows = plugins.filter(({ options }) => options.slot === slot).map(({ options }) => row(options, guides));
    const head = ['| Plugin | In a config | What it does | Options | Guide |', '| --- | --- | --- | --- | --- |'];
    return [`## ${slot ?? 'Features'}`, [...head, ...rows].join('\n')].join('\n\n');
  });
  return [
    GENERATED,
    '# Plugins',
    'A slot is filled by one plugin; features are switched on and off one by one under `plugins`. `espalier plugins NAME` prints one with its options and metrics, and lists plugins of your packages too.',
    ...sections,
    '',
  ].join('\n\n');
}

/** The built-in plugins that no guide has in its code. */
export async function pluginsWithoutGuide(): Promise<string[]> {
  const guides = readGuides();
  const { plugins } = await loadBuiltIns();
  return plugins.filter(({ options }) => guideOf(options, guides) === undefined).map(({ options }) => options.name);
}

function row(options: PluginOptions, guides: readonly Page[]): string {
  const guide = guideOf(options, guides);
  const count = options.config === undefined ? 0 : describeOptions(options.config).length;
  const cells = [
    `\`${options.name}\``,
    `\`${inConfig(options)}\``,
    cell(options.summary),
    count === 0 ? '' : `[${String(count)}](config.md#${options.name})`,
    guide === undefined ? '' : `[${guide.title}](../${guide.file})`,
  ];
  return `| ${cells.join(' | ')} |`;
}

function inConfig({ name, slot }: Pick<PluginOptions, 'name' | 'slot'>): string {
  if (slot === undefined) return `plugins.${name}`;
  const { path, key } = slotKeys[slot];
  return `${[...path, ...(key === 'use' ? [] : [key])].join('.')}: ${shortNameIn(slot, name)}`;
}

/** The guide that is named as the plugin is, or has its name in code most often, whole or as configs have it. */
function guideOf({ name, slot }: PluginOptions, guides: readonly Page[]): Page | undefined {
  const named = guides.find(({ file }) => file.endsWith(`/${name}.md`));
  if (named !== undefined) return named;
  const names = [name, ...(slot === undefined ? [] : [shortNameIn(slot, name)])];
  const mention = new RegExp(`(?<![\\w/-]|(?<!plugins)\\.)(?:${names.join('|')})(?![\\w./-])`, 'g');
  const count = ({ code }: Page): number => code.match(mention)?.length ?? 0;
  const [first] = guides.filter((page) => count(page) > 0).sort((a, b) => count(b) - count(a));
  return first;
}

function readGuides(): Page[] {
  return ['start', 'guides'].flatMap((folder) =>
    readdirSync(`docs/${folder}`)
      .filter((file) => file.endsWith('.md'))
      .sort()
      .map((file) => {
        const text = readFileSync(`docs/${folder}/${file}`, 'utf8');
        const code = (text.match(/```[^]*?```|`[^`\n]+`/g) ?? []).join('\n');
        return { file: `${folder}/${file}`, title: /^# (.*)$/m.exec(text)?.[1] ?? file, code };
      }),
  );
}
