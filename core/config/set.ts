import { isAbsolute, sep } from 'node:path';
import { parseDocument } from 'yaml';
import { messageOf, UsageError } from '../errors.js';
import { isSection } from './composed.js';
import { readPath } from './path.js';
import { treeOf, type Section } from './tree.js';

/**
 * One `--set a.b=value` as a layer. The value is YAML: `5`, `1e-3`, `true`, `text`, `[1, 2]`, `{ last: 3 }`.
 * A key that holds dots stands in quotes: `plugins."./my-plugin.ts".above=1`.
 */
export function parseSet(argument: string): Section {
  refuseUnquotedFile(argument);
  const { path, rest } = readPath(argument);
  if (!rest.startsWith('=')) {
    throw new UsageError('ESP_SET_SYNTAX', `--set ${argument}: write it as key=value, e.g. --set train.max_iters=100`);
  }
  if (path[0] === 'extends') {
    throw new UsageError('ESP_SET_SYNTAX', `--set ${argument}: presets are added with --preset NAME`);
  }
  const value = path.reduceRight<unknown>(
    (inner, key) => Object.fromEntries([[key, inner]]),
    parseValue(argument, rest.slice(1)),
  );
  return treeOf(isSection(value) ? value : {}, () => ({ source: '--set' }));
}

const UNQUOTED_FILE = /^(plugins\.)?([^="'\s]*?[^="'\s/.]\.[cm]?[jt]s)(\.[^="'\s]+)?=(.*)$/s;

/** `plugins.mine/x.ts=true` would be the option `ts` of a plugin `mine/x`. */
function refuseUnquotedFile(argument: string): void {
  const [, prefix, typed = '', option = '', value = ''] = UNQUOTED_FILE.exec(argument) ?? [];
  const file = typed.replaceAll(sep, '/');
  const isFile = prefix === undefined ? /^\.{0,2}\//.test(file) : file.includes('/') || value === 'true';
  if (!isFile) return;
  const from = /^\.{0,2}\//.test(file) || isAbsolute(file) ? file : `./${file}`;
  // The shells of Windows take the inner double quotes away, and know no single ones.
  const [which, quoted] =
    process.platform === 'win32'
      ? ['single', `"plugins.'${from}'${option}=${value}"`]
      : ['double', `'plugins."${from}"${option}=${value}'`];
  throw new UsageError(
    'ESP_SET_SYNTAX',
    `--set ${argument}: a key that holds a dot stands in ${which} quotes, and the path of a plugin starts with ./: --set ${quoted}`,
  );
}

function parseValue(argument: string, text: string): unknown {
  const document = parseDocument(text);
  const [error] = document.errors;
  try {
    if (error !== undefined) throw error;
    return document.toJS();
  } catch (thrown) {
    const [first = ''] = messageOf(thrown).split(/ at line \d+|\n/);
    throw new UsageError('ESP_SET_SYNTAX', `--set ${argument}: ${first}; put text with special characters in quotes`, {
      cause: thrown,
    });
  }
}
