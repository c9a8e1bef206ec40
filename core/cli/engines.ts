import type { Command } from 'commander';
import { EspalierError, UsageError } from '../errors.js';
import { findPlugin } from '../plugins/resolve.js';
import { probeEngines, shortName } from '../run/engine.js';
import { print, type SetExitCode } from './options.js';

export function doctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('say which engines work here, and why the others do not')
    .option('--json', 'print JSON')
    .action(async (flags: { json?: boolean }) => {
      const engines = (await probeEngines()).map(({ plugin, probe }) => ({ engine: shortName(plugin), ...probe }));
      const taken = engines.find(({ works }) => works)?.engine;
      print(flags.json, { node: process.version, engines, auto: taken }, () =>
        [
          `node ${process.version} on ${process.platform}-${process.arch}`,
          ...engines.map(({ engine, works, detail, why }) =>
            works ? `  works  ${engine.padEnd(12)} ${detail}` : `  no     ${engine.padEnd(12)} ${why ?? detail}`,
          ),
          `engine: auto takes ${taken ?? 'none'}`,
        ].join('\n'),
      );
    });
}

export function engineCommand(program: Command, setExitCode: SetExitCode): void {
  program
    .command('engine')
    .description('manage engines')
    .command('install')
    .argument('<name>', 'engine to install: tensorflow')
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
