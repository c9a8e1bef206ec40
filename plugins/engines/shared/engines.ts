import type { Command } from 'commander';
import { type CommandDefinition, type SetExitCode, print } from '../../../core/command.js';
import {
  composeStored,
  findPlugin,
  makeRunFrom,
  brokenEngines,
  isOnGpu,
  probeEngines,
  shortName,
  showPrecision,
} from '../../../core/runs.js';
import { Engine, type EngineProbe, EspalierError, UsageError } from '../../../core/index.js';
import { remeasuredPeak, showFlops } from '../peak/peak.js';

export const doctor: CommandDefinition = { order: 170, define: defineDoctor };

function defineDoctor(command: Command): void {
  command
    .description('say which engines work here, and why the others do not')
    .option('--peak', 'measure what each engine reaches here, which the metric `mfu` is a share of')
    .option('--json', 'print JSON')
    .action(async (flags: { json?: boolean; peak?: boolean }) => {
      const loaded = (await probeEngines()).map(({ plugin, probe }) => ({ engine: shortName(plugin), ...probe }));
      const engines: (EngineProbe & { engine: string })[] = [...loaded, ...(await brokenEngines())];
      const working = engines.filter(({ works }) => works).map(({ engine }) => engine);
      const taken = engines.find(isOnGpu)?.engine ?? working[0];
      const peaks = flags.peak === true ? await measurePeaks(working) : undefined;
      print(flags.json, { node: process.version, engines, auto: taken, peaks }, () =>
        [
          `node ${process.version} on ${process.platform}-${process.arch}`,
          ...engines.map(({ engine, ...probe }) =>
            probe.works
              ? `  works  ${engine.padEnd(12)} ${probe.detail}${showPrecision(probe)}`
              : `  no     ${engine.padEnd(12)} ${probe.why ?? probe.detail}`,
          ),
          `engine: auto takes ${taken ?? 'none'}`,
          ...(peaks ?? []).map(
            ({ engine, description, flops, busy }) =>
              `  peak   ${engine.padEnd(12)} ${showFlops(flops)} (${description})${busy ? ', while other programs were computing: it may be too low' : ''}`,
          ),
        ].join('\n'),
      );
    });
}

interface Peak {
  readonly engine: string;
  readonly description: string;
  /** Floating-point operations a second. */
  readonly flops: number;
  /** Other programs were computing then. */
  readonly busy: boolean;
}

/** Of each engine in each precision that it has, whatever a config here says. */
async function measurePeaks(engines: readonly string[]): Promise<Peak[]> {
  const peaks: Peak[] = [];
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

export const engine: CommandDefinition = { order: 180, define: defineEngine };

function defineEngine(command: Command, setExitCode: SetExitCode): void {
  command
    .description('manage engines')
    .command('install')
    .argument('<name>', 'engine to install: native or tensorflow')
    .description('make an engine work here, with the machine’s own package managers')
    .option('--gpu', 'the build for NVIDIA GPUs')
    .option('--force', 'install again over what is there')
    .action(async (name: string, flags: { gpu?: boolean; force?: boolean }) => {
      const plugin = await findPlugin(name, process.cwd(), 'engine');
      if (plugin.class.install === undefined) {
        throw new UsageError('ESP_ENGINE', `engine ${name} comes with espalier: there is nothing to install`);
      }
      await plugin.class.install({
        gpu: flags.gpu ?? false,
        force: flags.force ?? false,
        log: (line) => {
          console.log(line);
        },
      });
      const probe = await plugin.class.probe?.();
      if (probe?.works === false)
        throw new EspalierError('ESP_ENGINE', `installed, but it does not work: ${probe.why ?? ''}`);
      console.log(`engine ${name} works: ${probe?.detail ?? ''}`);
      setExitCode(0);
    });
}
