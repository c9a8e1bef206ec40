import type { Axis } from './protocol.js';

/** How the charts are looked at. */
export interface View {
  axis: Axis;
  log: boolean;
  /** 0 (none) to below 1. */
  smoothing: number;
}
export type Theme = 'system' | 'light' | 'dark';

const KEY = 'espalier-view';

/** What was chosen the last time, where the browser keeps it (in a file it may not). */
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
    // The choice lasts until the page is left.
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
