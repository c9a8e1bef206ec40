import { axisOf, smoothingOf, type View } from './view.js';

export type Theme = 'system' | 'light' | 'dark';

const KEY = 'espalier-view';

type Settings = Pick<View, 'axis' | 'log' | 'smoothing'> & { readonly theme: Theme };

/** Returns the settings of the last visit, if the browser stores them (for local files it may not). */
export function storedSettings(): Settings {
  const kept = read();
  return {
    axis: axisOf(kept['axis']),
    log: kept['log'] === true,
    smoothing: smoothingOf(kept['smoothing']),
    theme: kept['theme'] === 'light' || kept['theme'] === 'dark' ? kept['theme'] : 'system',
  };
}

export function storeSettings(part: Partial<Settings>): void {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...storedSettings(), ...part }));
  } catch {
    // The settings last until the page is closed.
  }
}

function read(): Record<string, unknown> {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? '{}');
    return typeof kept === 'object' && kept !== null ? { ...kept } : {};
  } catch {
    return {};
  }
}
