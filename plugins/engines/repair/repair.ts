import { messageOf } from '../../../core/errors.js';
import { shortName, type ProbedEngine } from '../choice/choice.js';

/** What `doctor --fix` did about an engine that did not work. */
export interface Repair {
  readonly engine: string;
  readonly installed: boolean;
  /** Why installing it failed, and what to do. */
  readonly why?: string;
}

/**
 * Installs the engines that do not work, but could with what is on this machine. Downloads nothing, and throws nothing:
 * an engine that cannot be installed does not keep others from it.
 * @param log called with each line of progress
 */
export async function installMissing(
  engines: readonly ProbedEngine[],
  log: (line: string) => void,
): Promise<readonly Repair[]> {
  const repairs: Repair[] = [];
  for (const { plugin, probe } of engines) {
    const engine = shortName(plugin);
    const install = plugin.class.install?.bind(plugin.class);
    if (probe.works || probe.installable !== true || install === undefined) continue;
    try {
      await install({ gpu: false, force: false, log: (line) => log(`${engine}: ${line}`) });
      repairs.push({ engine, installed: true });
    } catch (thrown) {
      repairs.push({ engine, installed: false, why: messageOf(thrown) });
    }
  }
  return repairs;
}
