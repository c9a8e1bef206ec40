import { isMap, isScalar, parseDocument, type Document } from 'yaml';
import { slotKeys, slotsWithin, type ConfigPath } from '../../../core/runs.js';
import type { Kind } from './templates.js';

/** The start of a new config. */
const NEW_CONFIG = 'extends: [char-small]\n';

/**
 * Adds a plugin to a config in YAML. Comments and other settings are kept; the plugin that filled its slot, and its
 * options, are replaced.
 * @param text the config; undefined for a new one
 * @param use the path or name of the plugin
 */
export function withPlugin(text: string | undefined, kind: Kind, use: string): string {
  const document: Document = parseDocument(text ?? NEW_CONFIG);
  if (!isMap(document.contents)) document.contents = document.createNode({});
  if (kind === 'feature') {
    sectionAt(document, ['plugins'], 'use');
    document.setIn(['plugins', use], document.createNode({}, { flow: true }));
  } else {
    const slot = slotKeys[kind];
    const [top, ...within] = slot.path;
    if (within.length > 0) sectionAt(document, [top], 'use');
    const kept = slotsWithin(slot).flatMap((key): [string, unknown][] => {
      const node: unknown = document.getIn([...slot.path, key], true);
      return node === undefined ? [] : [[key, node]];
    });
    const section = { [slot.key]: use, ...Object.fromEntries(kept) };
    document.setIn(slot.path, document.createNode(section, { flow: true }));
  }
  return document.toString({ lineWidth: 0 });
}

/** Returns the entry of a plugin as YAML, to show for a config that is not YAML. */
export function entryOf(kind: Kind, use: string): string {
  return withPlugin('', kind, use).trim();
}

/** Turns the value at a path into a section: the name of a plugin becomes its `key`. */
function sectionAt(document: Document, path: ConfigPath, key: string): void {
  const node: unknown = document.getIn(path, true);
  if (isMap(node)) return;
  const name = isScalar(node) && typeof node.value === 'string' ? { [key]: node.value } : {};
  document.setIn(path, document.createNode(name));
}
