import type { EngineChoice } from '../../../core/runs.js';
import { chooseEngine } from '../choice/choice.js';

/** Chooses among the built-in engines. */
export const provided: EngineChoice = { choose: chooseEngine };
