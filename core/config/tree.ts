import { isSection, type ComposedConfig, type Origin } from './composed.js';
import { pathKey, type ConfigPath } from './path.js';
import { slotKeyAt, type SlotKey } from './slot-keys.js';

/** Settings in which every value and every section knows where it was written. */
export type Tree = Section | Leaf;
export interface Section {
  readonly kind: 'section';
  readonly origin: Origin;
  readonly children: ReadonlyMap<string, Tree>;
}
interface Leaf {
  readonly kind: 'leaf';
  readonly origin: Origin;
  readonly value: unknown;
}

/**
 * Makes the tree of one layer. Short forms become long: `engine: wasm` is `{ use: wasm }`, and `true` under `plugins`
 * is `{}`. A section at the top that is left empty (`model:`) says nothing and is left out.
 */
export function treeOf(value: Record<string, unknown>, originOf: (path: ConfigPath) => Origin): Section {
  return sectionOf(value, [], originOf);
}

/**
 * Lays `over` on `under`: sections merge, everything else replaces. Where `over` names another plugin for a slot,
 * the options of the one before it go.
 */
export function merge(under: Section, over: Section, path: ConfigPath = []): Section {
  const children = new Map(optionsKept(under, over, slotKeyAt(path)));
  for (const [key, child] of over.children) {
    const below = children.get(key);
    const both = below?.kind === 'section' && child.kind === 'section';
    children.set(key, both ? merge(below, child, [...path, key]) : child);
  }
  return { kind: 'section', origin: over.origin, children };
}

/** The plain settings of a tree, and the origins of all that is in it. */
export function flatten(tree: Section): Pick<ComposedConfig, 'value' | 'origins'> {
  const origins = new Map<string, Origin>();
  const plain = (node: Tree, path: string[]): unknown => {
    if (path.length > 0) origins.set(pathKey(path), node.origin);
    return node.kind === 'leaf' ? node.value : plainSection(node, path);
  };
  const plainSection = (node: Section, path: string[]): Record<string, unknown> =>
    Object.fromEntries([...node.children].map(([key, child]) => [key, plain(child, [...path, key])]));
  return { value: plainSection(tree, []), origins };
}

function sectionOf(value: Record<string, unknown>, path: string[], originOf: (path: ConfigPath) => Origin): Section {
  const children = new Map<string, Tree>();
  for (const [key, raw] of Object.entries(value)) {
    if (raw === undefined || (raw === null && path.length === 0)) continue;
    const at = [...path, key];
    const child = longForm(raw, at);
    const node: Tree = isSection(child)
      ? sectionOf(child, at, originOf)
      : { kind: 'leaf', origin: originOf(at), value: child };
    children.set(key, node);
  }
  return { kind: 'section', origin: originOf(path), children };
}

function longForm(value: unknown, path: ConfigPath): unknown {
  const slot = slotKeyAt(path);
  if (slot !== undefined && typeof value === 'string') return { [slot.key]: value };
  if (path.length === 2 && path[0] === 'plugins' && value === true) return {};
  return value;
}

function optionsKept(under: Section, over: Section, slot: SlotKey | undefined): Iterable<[string, Tree]> {
  const replaced = slot?.alternatives?.some((key) => over.children.has(key)) ? slot.alternatives : [];
  if (replaced.length > 0) return [...under.children].filter(([key]) => !replaced.includes(key));
  if (slot === undefined || !over.children.has(slot.key)) return under.children;
  const before = nameIn(under, slot);
  if (before === nameIn(over, slot)) return under.children;
  return [...under.children].filter(([key]) => slot.others.includes(key));
}

function nameIn(section: Section, slot: SlotKey): unknown {
  const named = section.children.get(slot.key);
  return named?.kind === 'leaf' ? named.value : slot.fallback;
}
