import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  LineCounter,
  parseDocument,
  visit,
  YAMLError,
  type Alias,
  type Document,
  type Node,
  type Scalar,
  type YAMLMap,
} from 'yaml';
import { pathKey, type ConfigPath } from '../../../core/runs.js';

/** The settings of a YAML or JSON text. */
export interface YamlSettings {
  readonly value: unknown;
  /** Line of every key, by `pathKey`; for merged keys, the line at the anchor. */
  readonly lines: ReadonlyMap<string, number>;
  /** Unquoted scalars that are not text (numbers, `true`, `null`) as written, by `pathKey`. */
  readonly texts: ReadonlyMap<string, string>;
  /** Top-level keys whose value contains an anchor. */
  readonly anchored: ReadonlySet<string>;
  /**
   * Form of the whole text: a scalar, a collection in brackets (flow) or in lines (block), or only comments (empty).
   */
  readonly form: 'plain' | 'quoted' | 'tagged' | 'flow' | 'block' | 'empty';
}

/** Thrown for text that is not valid YAML, or that has content a config cannot have. */
export class YamlFault extends Error {
  constructor(
    message: string,
    /** Line of the fault, from 1; undefined if the text is nested too deeply. */
    readonly line: number | undefined,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'YamlFault';
  }
}

/** The largest number of values that aliases may expand to. */
const MOST_VALUES = 100_000;
const DEEPEST = 200;

const TAG_PREFIX = 'tag:yaml.org,2002:';
const TAGS = ['str', 'int', 'float', 'bool', 'null', 'map', 'seq'];

/**
 * Parses one document of YAML 1.2 (which includes JSON) with the merge keys (`<<`) of YAML 1.1.
 * @throws YamlFault with the line of bad syntax, a duplicate key, an unsupported tag, an alias within its own anchor,
 * aliases that expand to more than 100,000 values, or a second document
 */
export function readYaml(text: string, options: { readonly uniqueWithin?: string } = {}): YamlSettings {
  if (isNestedDeeply(text)) throw new YamlFault('it is nested too deeply', undefined);
  try {
    const counter = new LineCounter();
    const document = parseDocument(text, { lineCounter: counter, uniqueKeys: false, logLevel: 'error' });
    const [error] = document.errors;
    if (error !== undefined) throw syntaxFault(error);
    return new YamlReader(document, counter, options.uniqueWithin).settings();
  } catch (thrown) {
    if (thrown instanceof RangeError) throw new YamlFault('it is nested too deeply', undefined, { cause: thrown });
    throw thrown;
  }
}

/**
 * Returns whether text is nested so deeply that the library's recursion could overflow the stack and end the process.
 */
function isNestedDeeply(text: string): boolean {
  let depth = 0;
  let deepest = 0;
  for (const bracket of text.match(/[[{\]}]/g) ?? []) {
    depth = bracket === '[' || bracket === '{' ? depth + 1 : Math.max(0, depth - 1);
    deepest = Math.max(deepest, depth);
  }
  return deepest > DEEPEST || new RegExp(`^[ \\t]*(?:[-?:][ \\t]+){${String(DEEPEST)}}`, 'm').test(text);
}

/** A value of a map, with its key. */
interface Entry {
  readonly key: Node;
  readonly value: Node | null;
}

class YamlReader {
  readonly #lines = new Map<string, number>();
  readonly #texts = new Map<string, string>();
  readonly #targets = new Map<Alias, Node>();
  readonly #anchored = new Set<string>();
  /** Collections that enclose the value being read. */
  readonly #open = new Set<Node>();
  #values = 0;

  constructor(
    private readonly document: Document.Parsed,
    private readonly counter: LineCounter,
    private readonly uniqueWithin: string | undefined,
  ) {
    const anchors = new Map<string, Node>();
    visit(document, {
      Node: (_, node, around) => {
        if (isAlias(node)) {
          const target = anchors.get(node.source);
          if (target !== undefined) this.#targets.set(node, target);
        } else if (node.anchor !== undefined) {
          anchors.set(node.anchor, node);
          const [, , top] = around;
          if (top !== undefined && 'key' in top && isScalar(top.key)) this.#anchored.add(String(top.key.source));
        }
      },
    });
  }

  settings(): YamlSettings {
    const value = this.#read(this.document.contents, []);
    const form = formOf(this.document.contents);
    return { value, lines: this.#lines, texts: this.#texts, anchored: this.#anchored, form };
  }

  #read(node: Node | null, at: ConfigPath): unknown {
    this.#values++;
    if (node === null) return null;
    if (this.#values > MOST_VALUES) {
      throw this.#fault(node, `its aliases expand to more than ${String(MOST_VALUES)} values`);
    }
    const target = this.#resolved(node);
    this.#checkTag(target);
    if (isScalar(target)) return this.#scalar(target, at);
    return this.#within(target, node, () => {
      if (isMap(target)) return this.#map(target, at);
      const items = 'items' in target ? target.items : [];
      return items.map((item, index) => this.#read(isNode(item) ? item : null, [...at, String(index)]));
    });
  }

  #scalar(node: Scalar, at: ConfigPath): unknown {
    const { value, type, source = '' } = node;
    if (typeof value === 'string') return value;
    // Dates and binary data, which YAML 1.1 has: take the text.
    if (typeof value === 'object' && value !== null) return source;
    if (type === 'PLAIN' && source !== '') this.#texts.set(pathKey(at), source);
    return value;
  }

  #map(node: YAMLMap, at: ConfigPath): Record<string, unknown> {
    const entries = [...this.#entries(node, this.#mustBeUnique(at))].map(
      ([name, { key, value }]): [string, unknown] => {
        const path = [...at, name];
        this.#lines.set(pathKey(path), this.#lineOf(key) ?? 0);
        return [name, this.#read(value, path)];
      },
    );
    return Object.fromEntries(entries);
  }

  /**
   * Returns a map's entries, including those merged with `<<`. Its own keys win, then those of the first merged map.
   */
  #entries(node: YAMLMap, unique: boolean): Map<string, Entry> {
    const own = new Map<string, Entry>();
    const merged = new Map<string, Entry>();
    for (const { key, value } of node.items) {
      const entry = { key: isNode(key) ? key : node, value: isNode(value) ? value : null };
      if (isMergeKey(entry.key)) {
        for (const [name, each] of this.#mergedEntries(entry)) if (!merged.has(name)) merged.set(name, each);
        continue;
      }
      const name = this.#nameOf(entry.key);
      const first = own.get(name);
      if (first !== undefined && unique) {
        const line = String(this.#lineOf(first.key));
        throw this.#fault(entry.key, `Map keys must be unique: ${JSON.stringify(name)} is in line ${line} already`);
      }
      own.set(name, entry);
    }
    return new Map([...merged, ...own]);
  }

  #mergedEntries({ key, value }: Entry): [string, Entry][] {
    const target = value === null ? undefined : this.#resolved(value);
    const sources = target !== undefined && 'items' in target && !isMap(target) ? target.items : [value];
    return sources.flatMap((item) => {
      const source = isNode(item) ? this.#resolved(item) : undefined;
      if (!isMap(source))
        throw this.#fault(key, '<< merges a map, or a list of maps: give it an alias of one (<<: *name)');
      this.#checkTag(source);
      return this.#within(source, key, () => [...this.#entries(source, true)]);
    });
  }

  #nameOf(key: Node): string {
    const node = this.#resolved(key);
    if (!isScalar(node)) throw this.#fault(key, 'a key must be a name, not a map or a list');
    this.#checkTag(node);
    const name = node.type === 'PLAIN' ? (node.source ?? '') : String(node.value);
    if (name === '' && node.type === 'PLAIN') throw this.#fault(key, 'a key is empty');
    return name;
  }

  #resolved(node: Node): Exclude<Node, Alias> {
    if (!isAlias(node)) return node;
    const target = this.#targets.get(node);
    if (target === undefined || isAlias(target)) {
      throw this.#fault(
        node,
        `Unresolved alias: anchor &${node.source} is not defined before *${node.source}; put text that starts with * in quotes`,
      );
    }
    return target;
  }

  #within<T>(collection: Node, from: Node, work: () => T): T {
    if (this.#open.has(collection)) {
      throw this.#fault(
        from,
        'an alias is inside the value it refers to, which would never end; write the value itself',
      );
    }
    this.#open.add(collection);
    try {
      return work();
    } finally {
      this.#open.delete(collection);
    }
  }

  #checkTag(node: Exclude<Node, Alias>): void {
    const { tag } = node;
    if (tag === undefined || tag === '!') return;
    const name = tag.startsWith(TAG_PREFIX) ? tag.slice(TAG_PREFIX.length) : undefined;
    const shown = name === undefined ? tag : `!!${name}`;
    if (name === undefined || !TAGS.includes(name)) {
      throw this.#fault(
        node,
        `the tag ${shown} is not supported; write the value itself, put text that starts with ! in quotes, or use a TypeScript config, which can read process.env`,
      );
    }
    if (isScalar(node) && typeof node.value === 'string' && name !== 'str') {
      throw this.#fault(node, `${JSON.stringify(node.value)} does not match its tag ${shown}`);
    }
  }

  #mustBeUnique(at: ConfigPath): boolean {
    return this.uniqueWithin === undefined || at[0] === this.uniqueWithin;
  }

  #lineOf(node: Node): number | undefined {
    const { range } = node;
    return range === null || range === undefined ? undefined : this.counter.linePos(range[0]).line;
  }

  #fault(node: Node, message: string): YamlFault {
    return new YamlFault(message, this.#lineOf(node));
  }
}

function formOf(node: Node | null): YamlSettings['form'] {
  if (node === null || isAlias(node)) return 'empty';
  if (node.tag?.startsWith(TAG_PREFIX) === true) return 'tagged';
  if (!isScalar(node)) return node.flow === true ? 'flow' : 'block';
  return node.type === 'QUOTE_DOUBLE' || node.type === 'QUOTE_SINGLE' ? 'quoted' : 'plain';
}

function isMergeKey(key: Node): boolean {
  return isScalar(key) && key.type === 'PLAIN' && key.source === '<<';
}

const hints: Partial<Record<YAMLError['code'], string>> = {
  BAD_SCALAR_START: 'put the value in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'put text that holds ": " in quotes',
  MULTIPLE_DOCS: 'it contains several documents, but a config is one: remove the line ---',
  TAB_AS_INDENT: 'indent with spaces',
};

function syntaxFault(error: YAMLError): YamlFault {
  const hint = hints[error.code];
  const [first = ''] = error.message.split(/:? at line \d+|\n/);
  const message = error.code === 'MULTIPLE_DOCS' ? (hint ?? first) : hint === undefined ? first : `${first}; ${hint}`;
  return new YamlFault(message, error.linePos?.[0].line, { cause: error });
}
