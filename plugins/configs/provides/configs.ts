import type { Configs } from '../../../core/runs.js';
import { withHints } from '../hints/hints.js';
import { composeConfig } from '../layers/compose.js';

/** Configs of YAML, JSON and code, with presets and `--set` over them. */
export const provided: Configs = { compose: composeConfig, withHints };
