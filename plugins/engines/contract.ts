/** The peak speed of an engine on this machine; the metric `mfu` is relative to it. */
export { peakFlops, remeasuredPeak, showFlops, type Peak } from './peak/peak.js';

/** The built-in engines, and whether each works here. */
export { probeEngines, shortName, type ProbedEngine } from './choice/choice.js';

/** Memory for arrays that the native engine can take over. */
export { tensorMemory } from './native/tensor-memory.js';

/** A start for an engine of one's own. */
export { registerCpuBackend } from './backends/cpu-backend.js';
