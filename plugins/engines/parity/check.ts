import { UsageError } from '../../../core/errors.js';
import { shortName, type ProbedEngine } from '../choice/choice.js';

/** An engine that computes what engine cpu does. */
export interface CheckedEngine {
  readonly engine: string;
  /** What was compared. */
  readonly compared: string;
}

/**
 * Compares the engines that have a check, and work here, with engine cpu.
 * @throws UsageError if none of them works here
 */
export async function checkEngines(engines: readonly ProbedEngine[]): Promise<readonly CheckedEngine[]> {
  const checked: CheckedEngine[] = [];
  const idle: string[] = [];
  for (const { plugin, probe } of engines) {
    const check = plugin.class.checkParity?.bind(plugin.class);
    if (check === undefined) continue;
    if (probe.works) checked.push({ engine: shortName(plugin), compared: await check() });
    else idle.push(`${shortName(plugin)}: ${probe.why ?? probe.detail}`);
  }
  if (checked.length > 0) return checked;
  throw new UsageError('ESP_ENGINE', `--parity: no engine that it compares works here (${idle.join('; ')})`);
}
