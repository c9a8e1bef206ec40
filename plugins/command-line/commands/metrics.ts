import type { Command } from 'commander';
import type { FoundPlugin } from '../../../core/runs.js';
import { metricsOf, ofPackage, showMetric } from '../printing/metric-lines.js';
import type { CommandDefinition } from '../shell/definition.js';
import { print, requestOf, withConfigFlags, type ConfigFlags } from '../shell/options.js';

export const command: CommandDefinition = { order: 160, define };

function define(command: Command): void {
  command.description('list metrics and their units; with a config, only those of its plugins');
  withConfigFlags(command)
    .option('--json', 'print JSON')
    .action(async (flags: ConfigFlags & { json?: boolean }) => {
      const isOfRun = flags.preset.length > 0 || flags.set.length > 0 || flags.config !== undefined;
      const plugins = isOfRun ? await pluginsOfRun(flags) : await pluginsHere();
      const facts = plugins.flatMap(({ options, source }) =>
        metricsOf(options).map((metric) => ({ ...metric, plugin: options.name, source })),
      );
      print(flags.json, facts, () =>
        facts
          .map(({ plugin, source, ...metric }) => `${showMetric(metric)} (${plugin})${ofPackage(source)}`)
          .join('\n'),
      );
    });
}

async function pluginsHere(): Promise<readonly FoundPlugin[]> {
  const { loadAll } = await import('../../../core/runs.js');
  return (await loadAll(process.cwd())).plugins;
}

async function pluginsOfRun(flags: ConfigFlags): Promise<readonly FoundPlugin[]> {
  const { makeRun } = await import('../../../core/runs.js');
  const { run, plugins } = await makeRun(requestOf({ ...flags, quiet: true }));
  await run.dispose();
  return plugins;
}
