import { readFileSync } from 'node:fs';
import type { Slot } from '../../../core/index.js';

/** What a plugin can be: one that fills a slot, or a feature. */
export type Kind = Slot | 'feature';

/** The program that a plugin of each kind starts as: a file of `templates`, with its test. */
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

/** A plugin and its test, under a name of its own. */
export interface PluginFiles {
  readonly plugin: string;
  readonly test: string;
}

/** The files of a plugin named so. */
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

/** The text of a file of `templates`. */
export function templateFile(name: string): string {
  return readFileSync(new URL(name, templateFolder), 'utf8');
}

/** They are not compiled: three folders above what is. */
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
