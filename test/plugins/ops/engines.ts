import { Engine } from '../../../core/index.js';
import { probeEngines, shortName } from '../../../plugins/engines/choice/choice.js';
import { makeRun } from '../../../core/run/make.js';
import { engineNeed, type Need } from '../../needs.js';

/** A built-in engine; if it works here, its backend is registered and ready in this process. */
export interface AvailableEngine {
  readonly name: string;
  readonly works: boolean;
  readonly need: Need;
  readonly backend: string;
}

/** Every built-in engine except `cpu`, which is the reference. */
export async function availableEngines(): Promise<AvailableEngine[]> {
  const found: AvailableEngine[] = [];
  for (const { plugin, probe } of await probeEngines()) {
    const name = shortName(plugin);
    if (name !== 'cpu') found.push({ name, works: probe.works, need: await engineNeed(name), backend: name });
  }
  for (const { name } of found.filter(({ works }) => works)) await makeReady(name);
  return found;
}

/** Registers an engine's backend in this process and returns its name. @param set further settings */
export async function makeReady(engine: string, ...set: string[]): Promise<string> {
  const { run } = await makeRun({
    cwd: process.cwd(),
    presets: ['debug'],
    set: [`engine=${engine}`, 'precision=f32', ...set],
    only: ['engine'],
  });
  await run.bus.dispatch('run:setup', { runDir: '.' });
  return run.container.resolve(Engine).backend;
}
