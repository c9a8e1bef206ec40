import type { Command } from 'commander';
import { print, setOption, Terminal, type CommandDefinition, type SetExitCode } from '../../command-line/contract.js';

interface ConformanceFlags {
  readonly set: string[];
  readonly only?: string[];
  readonly json?: boolean;
}

const EXIT_FAILED = 1;

export const command: CommandDefinition = { order: 115, define };

function define(command: Command, setExitCode: SetExitCode): void {
  command
    .description('check a plugin: resume, rollback, ranks, engines, leaks, metrics, errors, disposal, time per event')
    .argument('<plugin>', 'its name, or ./FILE')
    .addOption(setOption('set an option of the plugin or of the run, e.g. plugins.NAME.decay=0.5; repeatable'))
    .option('--only <checks>', 'run these checks only, separated by commas', (names) => names.split(','))
    .option('--json', 'print JSON')
    .action(async (plugin: string, flags: ConformanceFlags) => {
      const { conformance } = await import('../conformance/conformance.js');
      const { tableOf } = await import('../conformance/table.js');
      const terminal = new Terminal({ quiet: flags.json ?? false });
      const results = await conformance(plugin, {
        set: flags.set,
        ...(flags.only === undefined ? {} : { only: flags.only }),
        onCheck: (name) => {
          terminal.status(`checking ${name}`);
        },
      }).finally(() => {
        terminal.status(null);
      });
      print(flags.json, results, () => tableOf(results));
      if (results.some(({ result }) => result === 'failed')) setExitCode(EXIT_FAILED);
    });
}
