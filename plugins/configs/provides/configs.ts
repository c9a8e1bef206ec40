import type { Configs } from '../../../core/runs.js';
import { withHints } from '../hints/hints.js';
import { composeConfig } from '../layers/compose.js';

/** Provides configs from YAML, JSON and code, with presets and `--set`. */
export const provided: Configs = {
  compose: composeConfig,
  withHints,
  // Loaded only for the error: it loads every plugin.
  unknownPlugin: async (...name) => (await import('../hints/unknown-plugin.js')).unknownPlugin(...name),
};
