import type { Command } from 'commander';
import { print, type CommandDefinition } from '../../command-line/contract.js';
import type { EngineProbe } from '../../../core/index.js';
import type { ProbedEngine } from '../choice/choice.js';
import type { CheckedEngine } from '../parity/check.js';
import type { Peak } from '../peak/peak.js';
import type { Repair } from '../repair/repair.js';

export const command: CommandDefinition = { order: 170, define };

function define(command: Command): void {
  command
    .description('say which engines work here, and why the others do not')
    .option('--peak', 'measure what each engine reaches here, which the metric `mfu` is a share of')
    .option('--fix', 'install what this machine can without downloads, such as the native engine with a compiler')
    .option('--parity', 'compare engines for devices with engine cpu; engine: auto takes one that agrees')
    .option('--json', 'print JSON')
    .action(async (flags: { fix?: boolean; json?: boolean; parity?: boolean; peak?: boolean }) => {
      const { brokenEngines, isOnGpu, probeEngines, shortName, showPrecision } = await import('../choice/choice.js');
      const { showFlops } = await import('../peak/peak.js');
      const parity = flags.parity === true ? await checkParity() : undefined;
      const probed = await probeEngines();
      const fixes = flags.fix === true ? await fix(probed, flags.json === true) : undefined;
      const now = fixes === undefined || fixes.length === 0 ? probed : await probeEngines();
      const loaded = now.map(({ plugin, probe }) => ({ engine: shortName(plugin), ...probe }));
      const engines: (EngineProbe & { engine: string })[] = [...loaded, ...(await brokenEngines())];
      const working = engines.filter(({ works }) => works).map(({ engine }) => engine);
      const taken = engines.find(isOnGpu)?.engine ?? working[0];
      const peaks = flags.peak === true ? await measurePeaks(working) : undefined;
      print(flags.json, { node: process.version, engines, auto: taken, parity, peaks, fixes }, () =>
        [
          `node ${process.version} on ${process.platform}-${process.arch}`,
          ...engines.map(({ engine, ...probe }) =>
            probe.works
              ? `  works  ${engine.padEnd(12)} ${probe.detail}${showPrecision(probe)}`
              : `  no     ${engine.padEnd(12)} ${probe.why ?? probe.detail}`,
          ),
          `engine: auto takes ${taken ?? 'none'}`,
          ...(fixes ?? []).map(({ engine, installed, why }) =>
            installed ? `fixed: engine ${engine} is installed` : `not fixed: ${why ?? engine}`,
          ),
          ...(fixes?.length === 0 ? [NOTHING_TO_FIX] : []),
          ...engines.flatMap(({ advice }) => advice ?? []),
          ...(parity ?? []).map(({ engine, compared }) => `parity: engine ${engine}: ${compared}`),
          ...(peaks ?? []).map(
            ({ engine, description, flops, busy }) =>
              `  peak   ${engine.padEnd(12)} ${showFlops(flops)} (${description})${busy ? ', while other programs were computing: it may be too low' : ''}`,
          ),
        ].join('\n'),
      );
    });
}

const NOTHING_TO_FIX =
  'nothing to fix: where an engine does not work, it needs a download or another program; its line says what to do';

async function checkParity(): Promise<readonly CheckedEngine[]> {
  const { probeEngines } = await import('../choice/choice.js');
  const { checkEngines } = await import('../parity/check.js');
  return checkEngines(await probeEngines());
}

/** Installs what can be installed, with its progress on standard error if standard output is JSON. */
async function fix(engines: readonly ProbedEngine[], json: boolean): Promise<readonly Repair[]> {
  const { installMissing } = await import('../repair/repair.js');
  return installMissing(engines, json ? console.error : console.log);
}

interface EnginePeak extends Peak {
  readonly engine: string;
  readonly description: string;
}

/** Measures each engine in each of its precisions, whatever the config says. */
async function measurePeaks(engines: readonly string[]): Promise<EnginePeak[]> {
  const { Engine } = await import('../../../core/index.js');
  const { makeRunFrom } = await import('../../../core/runs.js');
  const { composeStored } = await import('../../configs/contract.js');
  const { remeasuredPeak } = await import('../peak/peak.js');
  const peaks: EnginePeak[] = [];
  for (const name of engines) {
    const precisions = ['f32'];
    for (const precision of precisions) {
      const config = composeStored({ engine: { use: name }, precision }, 'espalier doctor', []);
      const { run } = await makeRunFrom(config, { cwd: process.cwd(), only: ['engine'] });
      try {
        await run.bus.dispatch('run:setup', { runDir: run.folder.path });
        const engine = run.container.resolve(Engine);
        peaks.push({ engine: name, description: engine.description, ...(await remeasuredPeak(engine)) });
        for (const other of engine.precisions ?? []) if (!precisions.includes(other)) precisions.push(other);
      } finally {
        await run.dispose();
      }
    }
  }
  return peaks;
}
