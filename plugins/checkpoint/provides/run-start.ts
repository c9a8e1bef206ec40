import type { RunStart } from '../../../core/runs.js';
import { startRun } from '../resume/start.js';

/** Starts runs in folders, or in memory, and resumes them. */
export const provided: RunStart = { start: startRun };
