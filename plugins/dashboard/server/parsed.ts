import { parse } from 'yaml';

/** Parses JSON; returns undefined if it is invalid: a log edited by hand must not break the page. */
export function parsedJson(text: string): unknown {
  return valueOrNone(() => JSON.parse(text));
}

/** Parses YAML; returns undefined if it is invalid. */
export function parsedYaml(text: string): unknown {
  return valueOrNone(() => parse(text));
}

function valueOrNone(read: () => unknown): unknown {
  try {
    return read();
  } catch {
    return undefined;
  }
}
