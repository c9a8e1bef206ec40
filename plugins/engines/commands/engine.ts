import type { Command } from 'commander';
import { type CommandDefinition, type SetExitCode } from '../../command-line/contract.js';
import { EspalierError, UsageError } from '../../../core/errors.js';

export const command: CommandDefinition = { order: 180, define };

function define(command: Command, setExitCode: SetExitCode): void {
  command
    .description('manage engines')
    .command('install')
    .argument('<name>', 'engine to install: native, tensorflow or xla')
    .description('make an engine work here, with the machine’s own package managers')
    .option('--gpu', 'the build for NVIDIA GPUs')
    .option('--device <kind>', 'kind of device, of xla: cuda13, cuda12, rocm or tpu; default: what is found here')
    .option('--force', 'install again over what is there')
    .action(async (name: string, flags: { gpu?: boolean; device?: string; force?: boolean }) => {
      const { findPlugin } = await import('../../../core/runs.js');
      const plugin = await findPlugin(name, process.cwd(), 'engine');
      if (plugin.class.install === undefined) {
        throw new UsageError('ESP_ENGINE', `engine ${name} comes with espalier: there is nothing to install`);
      }
      await plugin.class.install({
        gpu: flags.gpu ?? false,
        device: flags.device,
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
