import type { Command } from 'commander';
import { metricsOf, ofPackage, showMetric } from '../printing/metric-lines.js';
import type { CommandDefinition } from '../shell/definition.js';
import { print } from '../shell/options.js';

export const command: CommandDefinition = { order: 130, define };

function define(command: Command): void {
  command
    .description('list plugins with their options and metrics, including those of packages')
    .argument('[name]', 'show only this plugin; also takes a package or ./FILE')
    .option('--installed', 'list the packages of this project instead, with versions and what they contribute')
    .option('--json', 'print JSON')
    .action(async (name: string | undefined, flags: { json?: boolean; installed?: boolean }) => {
      if (flags.installed === true) {
        await printInstalled(flags.json);
        return;
      }
      const { findNamed, loadAll } = await import('../../../core/runs.js');
      const { describeOptions } = await import('../../configs/contract.js');
      const { plugins, broken } =
        name === undefined
          ? await loadAll(process.cwd())
          : { plugins: [await findNamed(name, process.cwd())], broken: [] };
      const facts = plugins.map(({ options, source }) => ({
        name: options.name,
        summary: options.summary,
        slot: options.slot ?? 'plugins',
        source,
        after: options.after ?? [],
        before: options.before ?? [],
        options: options.config === undefined ? [] : describeOptions(options.config),
        metrics: metricsOf(options),
      }));
      const failures = broken.map(({ error, ...where }) => ({ ...where, error: error.message }));
      print(flags.json, [...facts, ...failures], () =>
        [
          ...facts.map((plugin) =>
            [
              `${plugin.name} (${plugin.slot}): ${plugin.summary}${ofPackage(plugin.source)}`,
              ...plugin.options.map(
                (option) =>
                  `    ${option.name}: ${option.type}${option.default === undefined ? '' : ` = ${JSON.stringify(option.default)}`}  ${option.description}`,
              ),
              ...plugin.metrics.map((metric) => `    metric ${showMetric(metric)}`),
            ].join('\n'),
          ),
          ...failures.map(({ name, error }) => `${name} (does not load on this machine): ${error}`),
        ].join('\n'),
      );
    });
}

async function printInstalled(json: boolean | undefined): Promise<void> {
  const { installed, installedLines } = await import('../printing/installed.js');
  const packages = await installed(process.cwd());
  print(json, packages, () =>
    packages.length === 0
      ? 'No package of this project contributes to espalier.'
      : packages.flatMap(installedLines).join('\n'),
  );
}
