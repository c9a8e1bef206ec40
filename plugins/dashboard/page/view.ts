import type { Axis } from './protocol.js';

/** Settings of the charts. */
export interface View {
  axis: Axis;
  log: boolean;
  /** From 0 (off) to below 1. */
  smoothing: number;
}
export type Theme = 'system' | 'light' | 'dark';

const KEY = 'espalier-view';

/** Returns the settings of the last visit, if the browser stores them (for local files it may not). */
export function storedView(): View & { theme: Theme } {
  const kept = read();
  return {
    axis: kept['axis'] === 'tokens' || kept['axis'] === 'time' ? kept['axis'] : 'iteration',
    log: kept['log'] === true,
    smoothing: typeof kept['smoothing'] === 'number' ? Math.min(0.999, Math.max(0, kept['smoothing'])) : 0,
    theme: kept['theme'] === 'light' || kept['theme'] === 'dark' ? kept['theme'] : 'system',
  };
}

export function storeView(view: View & { theme: Theme }): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(view));
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
