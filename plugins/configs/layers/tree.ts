import {
  defaultOf,
  isSection,
  pathKey,
  slotKeyAt,
  slotsWithin,
  type ComposedConfig,
  type ConfigPath,
  type Origin,
  type SlotKey,
  type Texts,
} from '../../../core/runs.js';

/** Settings with the origin of every value and section. */
export type Tree = Section | Leaf;
export interface Section {
  readonly kind: 'section';
  readonly origin: Origin;
  readonly children: ReadonlyMap<string, Tree>;
  /** The section as typed on the command line. */
  readonly text?: string;
}
interface Leaf {
  readonly kind: 'leaf';
  readonly origin: Origin;
  readonly value: unknown;
  /** Scalars in the value as written, by `pathKey` within it; an empty key stands for the value itself. */
  readonly texts: Texts;
}

/** What is known about a layer besides its values. */
export interface LayerFacts {
  readonly originOf: (path: ConfigPath) => Origin;
  /** Scalars as written. */
  readonly texts?: Texts;
  /** Returns a plugin's name for the written one, which the origin keeps. */
  readonly nameOf?: (written: string, origin: Origin) => string;
  /** Top-level keys for which an empty value (`seed:`) is an error, or all of them. */
  readonly filled?: readonly string[] | 'all';
}

/**
 * Makes the tree of one layer. Expands short forms: `engine: wasm` becomes `{ use: wasm }`, and `true` under `plugins`
 * becomes `{}`. Leaves out empty top-level keys (`model:`), except those in `filled`.
 */
export function treeOf(value: Record<string, unknown>, facts: LayerFacts): Section {
  return sectionOf(value, [], facts);
}

/** Merges layers of equal rank: naming another plugin for a slot removes no options that another of them sets. */
export function mergeEqual(layers: readonly Section[]): Section | undefined {
  return layers.length === 0 ? undefined : layers.reduce((under, over) => mergeKeeping(under, over));
}

/**
 * Merges `over` onto `under`: sections merge, everything else is replaced. If `over` names another plugin for a slot,
 * the previous plugin's options are removed.
 */
export function merge(under: Section, over: Section, path: ConfigPath = []): Section {
  const kept = { ...under, children: new Map(optionsKept(under, over, slotKeyAt(path))) };
  return laid(kept, over, (below, child, key) => merge(below, child, [...path, key]));
}

/** Like `merge`, but naming another plugin for a slot removes no options. */
export function mergeKeeping(under: Section, over: Section): Section {
  return laid(under, over, mergeKeeping);
}

function laid(under: Section, over: Section, both: (below: Section, child: Section, key: string) => Section): Section {
  const children = new Map(under.children);
  for (const [key, child] of over.children) {
    const below = children.get(key);
    const isBoth = below?.kind === 'section' && child.kind === 'section';
    children.set(key, isBoth ? both(below, child, key) : child);
  }
  return { kind: 'section', origin: over.origin, children };
}

/** Returns the plain settings of a tree, and the origins of everything in it. */
export function flatten(tree: Section): Pick<ComposedConfig, 'value' | 'origins' | 'texts'> {
  const origins = new Map<string, Origin>();
  const texts = new Map<string, string>();
  const plain = (node: Tree, path: string[]): unknown => {
    const at = pathKey(path);
    if (path.length > 0) origins.set(at, node.origin);
    if (node.kind === 'leaf') for (const [key, text] of node.texts) texts.set(key === '' ? at : `${at}.${key}`, text);
    else if (node.text !== undefined) texts.set(at, node.text);
    return node.kind === 'leaf' ? node.value : plainSection(node, path);
  };
  const plainSection = (node: Section, path: string[]): Record<string, unknown> =>
    Object.fromEntries([...node.children].map(([key, child]) => [key, plain(child, [...path, key])]));
  return { value: plainSection(tree, []), origins, texts };
}

function sectionOf(value: Record<string, unknown>, path: string[], facts: LayerFacts): Section {
  const children = new Map<string, Tree>();
  const { originOf, texts = new Map<string, string>(), filled = [], nameOf = asWritten } = facts;
  const isPlugins = path.length === 1 && path[0] === 'plugins';
  for (const [key, raw] of Object.entries(value)) {
    const saysNothing = raw === null && path.length === 0 && filled !== 'all' && !filled.includes(key);
    if (raw === undefined || saysNothing) continue;
    const at = [...path, key];
    const child = longForm(raw, at);
    const origin = originOf(at);
    const isName = slotKeyAt(path)?.key === key;
    const value = isName && typeof child === 'string' ? nameOf(child, origin) : child;
    const node: Tree = isSection(value)
      ? sectionOf(value, at, facts)
      : { kind: 'leaf', origin: withWritten(origin, child, value), value, texts: textsIn(value, at, texts) };
    const name = isPlugins ? nameOf(key, origin) : key;
    const named = { ...node, origin: withWritten(node.origin, key, name) };
    // Two paths of the same file name the same plugin.
    const twin = children.get(name);
    children.set(name, twin?.kind === 'section' && named.kind === 'section' ? merge(twin, named) : named);
  }
  const text = texts.get(pathKey(path));
  return { kind: 'section', origin: originOf(path), children, ...(text === undefined ? {} : { text }) };
}

const asWritten = (name: string): string => name;

function withWritten(origin: Origin, written: unknown, name: unknown): Origin {
  return written === name || typeof written !== 'string' ? origin : { ...origin, written };
}

function textsIn(value: unknown, path: ConfigPath, texts: Texts): Texts {
  const found = new Map<string, string>();
  if (texts.size === 0) return found;
  const look = (inner: unknown, within: ConfigPath): void => {
    const text = texts.get(pathKey([...path, ...within]));
    if (text !== undefined) found.set(pathKey(within), text);
    if (!Array.isArray(inner) && !isSection(inner)) return;
    for (const [key, each] of Object.entries(inner)) look(each, [...within, key]);
  };
  look(value, []);
  return found;
}

function longForm(value: unknown, path: ConfigPath): unknown {
  const slot = slotKeyAt(path);
  if (slot !== undefined && typeof value === 'string') return { [slot.key]: value };
  if (path.length === 2 && path[0] === 'plugins' && value === true) return {};
  return value;
}

function optionsKept(under: Section, over: Section, slot: SlotKey | undefined): Iterable<[string, Tree]> {
  if (slot === undefined || !over.children.has(slot.key)) return under.children;
  const before = nameIn(under, slot);
  if (before === nameIn(over, slot)) return under.children;
  const stay = slotsWithin(slot);
  return [...under.children].filter(([key]) => stay.includes(key));
}

function nameIn(section: Section, slot: SlotKey): unknown {
  const named = section.children.get(slot.key);
  return named?.kind === 'leaf' ? named.value : defaultOf(slot);
}
