/** What an engine was measured to reach on this machine: the metric `mfu` is a share of it. */
export { peakFlops, remeasuredPeak, showFlops, type Peak } from './peak/peak.js';

/** The engines that come with espalier, and whether each works here. */
export { probeEngines, shortName, type ProbedEngine } from './choice/choice.js';

/** Memory for arrays that the native engine may take over. */
export { tensorMemory } from './native/tensor-memory.js';

/** A start for an engine of one's own. */
export { registerCpuBackend } from './backends/cpu-backend.js';
