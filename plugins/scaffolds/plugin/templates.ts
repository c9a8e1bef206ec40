import { readFileSync } from 'node:fs';
import type { Slot } from '../../../core/index.js';

/** What a plugin is: the slot it fills, or a feature. */
export type Kind = Slot | 'feature';

/** The template of each kind of plugin: a file in `templates`, with its test. */
const templates: Readonly<Record<Kind, string>> = {
  feature: 'loss-average',
  engine: 'plain',
  tokenizer: 'words',
  data: 'sums',
  batches: 'backwards',
  model: 'bigram',
  optimizer: 'rms-step',
  lr: 'plateau',
};

/** Source text of a plugin and its test. */
export interface PluginFiles {
  readonly plugin: string;
  readonly test: string;
}

/** Returns the template of a kind with the plugin's name in it. */
export function pluginFiles(kind: Kind, name: string): PluginFiles {
  const template = templates[kind];
  const plugin = templateFile(`${template}.ts`);
  const test = templateFile(`${template}.test.ts`);
  const wanted = camelCased(name);
  const isTaken = [plugin, test].some((text) => new RegExp(`\\b${wanted}\\b`).test(text)) && name !== template;
  const renamed = (text: string): string =>
    text
      .replaceAll(`'${template}'`, `'${name}'`)
      .replaceAll(`'./${template}.js'`, `'./${name}.js'`)
      .replaceAll(new RegExp(`\\b${camelCased(template)}\\b`, 'g'), isTaken ? `${wanted}Plugin` : wanted)
      .replaceAll(`'${upperCased(template)}_`, `'${upperCased(name)}_`);
  return { plugin: renamed(plugin), test: renamed(test) };
}

/** Returns the text of a file in `templates`. */
export function templateFile(name: string): string {
  return readFileSync(new URL(name, templateFolder), 'utf8');
}

/** The templates are not compiled: they are in the sources, three folders above `dist`. */
const templateFolder = new URL('../../../../plugins/scaffolds/templates/', import.meta.url);

function camelCased(name: string): string {
  return name
    .split('-')
    .map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`)
    .join('');
}

function upperCased(name: string): string {
  return name.toUpperCase().replaceAll('-', '_');
}
