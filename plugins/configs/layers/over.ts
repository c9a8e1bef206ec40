import path from 'node:path';
import {
  coreSchema,
  frozen,
  isSection,
  pathKey,
  withTexts,
  type ComposedConfig,
  type ConfigPath,
  type Origin,
  type Settings,
} from '../../../core/runs.js';
import { parseSets } from './set.js';
import { flatten, merge, treeOf, type Section } from './tree.js';

/** The frozen config of a tree. `init` and `resume` are read before any schema is: text is as it was written from here on. */
export function composedOf(tree: Section, facts: Pick<ComposedConfig, 'layers' | 'files' | 'given'>): ComposedConfig {
  const flat = flatten(tree);
  const core = withTexts(coreSchema, [], flat.texts, flat.value);
  return { ...flat, ...facts, value: frozen(isSection(core) ? core : flat.value) };
}

/** A config with settings over it that have one origin. */
export function over(composed: ComposedConfig, settings: Settings, origin: Origin): ComposedConfig {
  const originOf = (at: ConfigPath): Origin => composed.origins.get(pathKey(at)) ?? { source: 'default' };
  const own = treeOf(composed.value, { originOf, texts: composed.texts, filled: 'all' });
  return composedOf(merge(own, treeOf(settings, { originOf: () => origin })), {
    layers: [...composed.layers, origin.source],
    files: origin.file === undefined ? composed.files : [...composed.files, origin.file],
    given: composed.given,
  });
}

/** A config from a checkpoint, with settings over it. @param checkpoint the checkpoint's folder */
export function composeStored(config: Settings, checkpoint: string, set: readonly string[]): ComposedConfig {
  const source = `${checkpoint}/state.json`;
  const origin = { source, file: path.join(checkpoint, 'state.json') };
  const stored = treeOf(config, { originOf: () => origin });
  const sets = parseSets(set, 1);
  const merged = sets === undefined ? stored : merge(stored, sets);
  const layers = [source, ...set.map((argument) => `--set ${argument}`)];
  return composedOf(merged, { layers, files: [origin.file], given: {} });
}
