import type { Command } from 'commander';
import type { CommandDefinition } from '../../command.js';
import { loadAll, type FoundPlugin } from '../../plugins/resolve.js';
import { makeRun } from '../../run/make.js';
import { metricsOf, ofPackage, showMetric } from '../metric-lines.js';
import { print, requestOf, withConfigFlags, type ConfigFlags } from '../options.js';

export const command: CommandDefinition = { order: 160, define };

function define(command: Command): void {
  command.description('list the metrics that plugins publish, with their units; with a config, those of its plugins');
  withConfigFlags(command)
    .option('--json', 'print JSON')
    .action(async (flags: ConfigFlags & { json?: boolean }) => {
      const isOfRun = flags.preset.length > 0 || flags.set.length > 0 || flags.config !== undefined;
      const plugins = isOfRun ? await pluginsOfRun(flags) : (await loadAll(process.cwd())).plugins;
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

async function pluginsOfRun(flags: ConfigFlags): Promise<readonly FoundPlugin[]> {
  const { run, plugins } = await makeRun(requestOf({ ...flags, quiet: true }));
  await run.dispose();
  return plugins;
}
