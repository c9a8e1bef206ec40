/** Where a value stands in a config: keys from the top, e.g. `['model', 'n_head']`. */
export type ConfigPath = readonly string[];

/**
 * The path as `--set` takes it: keys joined by dots, a key that holds a dot in double quotes
 * (`plugins."./my-plugin.ts".above`). Different paths give different strings; `parsePath` is its inverse.
 */
export function pathKey(path: ConfigPath): string {
  return path.map((key) => (BARE_KEY.test(key) ? key : JSON.stringify(key))).join('.');
}

const BARE_KEY = /^[^.="'\s]+$/;
