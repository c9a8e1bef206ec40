import { isAbsolute, sep } from 'node:path';
import { UsageError } from '../../../core/errors.js';
import { homeExpanded } from '../../../core/paths.js';
import { isSection, pathKey, Unread, type ConfigPath, type Origin, type Texts } from '../../../core/runs.js';
import { mergeEqual, treeOf, type LayerFacts, type Section } from './tree.js';
import { readPath } from './path.js';
import { readYaml, YamlFault } from '../reading/yaml.js';

/**
 * Parses all `--set` arguments as one layer. Later ones win, and none removes what another sets.
 * @param layer number of the layer, for origins
 * @throws UsageError for an argument that is not `key=value`
 */
export function parseSets(list: readonly string[], layer: number, nameOf?: LayerFacts['nameOf']): Section | undefined {
  const facts = { originOf: (): Origin => ({ source: '--set', layer }), ...(nameOf === undefined ? {} : { nameOf }) };
  return mergeEqual(list.map((argument) => parseSet(argument, facts)));
}

/**
 * Parses one `--set a.b=value`. The value is YAML: `5`, `1e-3`, `true`, `text`, `[1, 2]`, `{ last: 3 }`; text options
 * take it as typed. A key that contains dots is quoted: `plugins."./my-plugin.ts".above=1`.
 */
function parseSet(argument: string, facts: LayerFacts): Section {
  refuseUnquotedFile(argument);
  const { path, rest } = readPath(argument);
  if (!rest.startsWith('=')) {
    throw new UsageError('ESP_SET_SYNTAX', `--set ${argument}: write it as key=value, e.g. --set train.max_iters=100`);
  }
  if (path[0] === 'extends') {
    throw new UsageError('ESP_SET_SYNTAX', `--set ${argument}: presets are added with --preset NAME`);
  }
  const { value, texts } = readValue(rest.slice(1), path);
  const whole = path.reduceRight<unknown>((inner, key) => Object.fromEntries([[key, inner]]), value);
  return treeOf(isSection(whole) ? whole : {}, { ...facts, texts, filled: 'all' });
}

const UNQUOTED_FILE = /^(plugins\.)?([^="'\s]*?[^="'\s/.]\.[cm]?[jt]s)(\.[^="'\s]+)?=(.*)$/s;

/** Refuses `plugins.mine/x.ts=true`, which would set the option `ts` of a plugin `mine/x`. */
function refuseUnquotedFile(argument: string): void {
  const [, prefix, typed = '', option = '', value = ''] = UNQUOTED_FILE.exec(argument) ?? [];
  const file = typed.replaceAll(sep, '/');
  const isFile = prefix === undefined ? /^\.{0,2}\//.test(file) : file.includes('/') || value === 'true';
  if (!isFile) return;
  const from = /^\.{0,2}\//.test(file) || isAbsolute(homeExpanded(file)) ? file : `./${file}`;
  // Windows shells remove inner double quotes, and do not treat single quotes as quotes.
  const [which, quoted] =
    process.platform === 'win32'
      ? ['single', `"plugins.'${from}'${option}=${value}"`]
      : ['double', `'plugins."${from}"${option}=${value}'`];
  throw new UsageError(
    'ESP_SET_SYNTAX',
    `--set ${argument}: put a key that contains a dot in ${which} quotes, and start a plugin path with ./: --set ${quoted}`,
  );
}

/** Parses a value as YAML, and keeps the text as typed if that differs. */
function readValue(text: string, path: ConfigPath): { value: unknown; texts: Texts } {
  // An unset shell variable, for example. Null is refused by every option that does not allow it.
  if (text.trim() === '') return { value: null, texts: new Map() };
  const typed: [string, string] = [pathKey(path), text];
  try {
    const { value, form, texts } = readYaml(text);
    if (form === 'quoted' || form === 'tagged') return { value, texts: new Map() };
    // `a: b` and `- a` are text, unlike `{ a: b }` and `[a]`.
    if (form === 'block' || (form === 'plain' && typeof value === 'string')) return { value: text, texts: new Map() };
    if (form === 'empty') return unread('a # starts a comment', typed);
    const below = [...texts].map(([key, each]): [string, string] => [`${typed[0]}.${key}`, each]);
    return { value, texts: new Map([...below, typed]) };
  } catch (thrown) {
    if (thrown instanceof YamlFault) return unread(thrown.message, typed);
    throw thrown;
  }
}

function unread(why: string, typed: [string, string]): { value: Unread; texts: Texts } {
  return { value: new Unread(why), texts: new Map([typed]) };
}
