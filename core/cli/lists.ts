import type { Command } from 'commander';
import { explainLines, renderLines, type Explained } from '../config/explain.js';
import { suggestion } from '../config/nearest.js';
import { parsePath, pathKey } from '../config/path.js';
import { listPresets } from '../config/preset-list.js';
import { settingCalled } from '../config/synonyms.js';
import { describeOptions } from '../config/schema-docs.js';
import { UsageError } from '../errors.js';
import { lifecycle } from '../events/lifecycle.js';
import type { PluginOptions } from '../plugins/plugin.js';
import {
  builtInNames,
  findOutside,
  loadBuiltIn,
  loadBuiltIns,
  pathAdvice,
  type FoundPlugin,
} from '../plugins/resolve.js';
import { createRun } from '../run/create.js';
import { print, requestOf, withConfigFlags, type ConfigFlags } from './options.js';

interface JsonFlag {
  json?: boolean;
}

export function explainCommand(program: Command): void {
  const command = program
    .command('explain')
    .description('print the composed config, with the place each value came from');
  withConfigFlags(command)
    .argument('[key]', 'only what is below this key, e.g. model')
    .option('--json', 'print JSON')
    .action(async (key: string | undefined, flags: ConfigFlags & JsonFlag) => {
      const { run, composed } = await createRun({ ...requestOf({ ...flags, quiet: true }) });
      await run.dispose();
      const all = explainLines(composed, run.composedConfig);
      const lines = all.filter(({ path }) => key === undefined || path === key || path.startsWith(`${key}.`));
      if (key !== undefined && lines.length === 0) throw unknownSetting(key, all);
      print(flags.json, lines, () => renderLines(lines));
    });
}

export function pluginsCommand(program: Command): void {
  program
    .command('plugins')
    .description('list the plugins that come with espalier, with their options and metrics')
    .argument('[name]', 'only this one; also a package or ./FILE of your own')
    .option('--json', 'print JSON')
    .action(async (name: string | undefined, flags: JsonFlag) => {
      const { plugins, broken } =
        name === undefined ? await loadBuiltIns() : { plugins: [await pluginCalled(name)], broken: [] };
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
      const failures = broken.map(({ name, error }) => ({ name, source: 'built-in', error: error.message }));
      print(flags.json, [...facts, ...failures], () =>
        [
          ...facts.map((plugin) =>
            [
              `${plugin.name} (${plugin.slot}): ${plugin.summary}`,
              ...plugin.options.map(
                (option) =>
                  `    ${option.name}: ${option.type}${option.default === undefined ? '' : ` = ${JSON.stringify(option.default)}`}  ${option.description}`,
              ),
              ...plugin.metrics.map((metric) => `    metric ${showMetric(metric)}`),
            ].join('\n'),
          ),
          ...failures.map(({ name, error }) => `${name} (does not load here): ${error}`),
        ].join('\n'),
      );
    });
}

async function pluginCalled(name: string): Promise<FoundPlugin> {
  const cwd = process.cwd();
  const found = builtInNames().includes(name) ? await loadBuiltIn(name) : await findOutside(name, cwd);
  if (found !== undefined) return found;
  const advice = pathAdvice(name, cwd) ?? suggestion(name, builtInNames(), 'there');
  throw new UsageError('ESP_PLUGIN_NOT_FOUND', `no plugin "${name}" comes with espalier: ${advice}`);
}

export function presetsCommand(program: Command): void {
  program
    .command('presets')
    .description('list the presets that come with espalier')
    .option('--json', 'print JSON')
    .action((flags: JsonFlag) => {
      const presets = listPresets();
      print(flags.json, presets, () => presets.map(({ name, summary }) => `${name.padEnd(14)} ${summary}`).join('\n'));
    });
}

export function eventsCommand(program: Command): void {
  program
    .command('events')
    .description('print the events of a run, in their order, with what they carry')
    .option('--json', 'print JSON')
    .action((flags: JsonFlag) => {
      print(flags.json, lifecycle, () =>
        Object.entries(lifecycle)
          .map(([name, { when, payload, mayReplace }]) =>
            [
              `${name}: ${when}`,
              ...Object.entries(payload).map(
                ([field, what]) => `    ${field}${mayReplace.includes(field) ? ' (may be replaced)' : ''}: ${what}`,
              ),
            ].join('\n'),
          )
          .join('\n'),
      );
    });
}

export function metricsCommand(program: Command): void {
  const command = program
    .command('metrics')
    .description('list the metrics that plugins publish, with their units; with a config, those of its plugins');
  withConfigFlags(command)
    .option('--json', 'print JSON')
    .action(async (flags: ConfigFlags & JsonFlag) => {
      const isOfRun = flags.preset.length > 0 || flags.set.length > 0 || flags.config !== undefined;
      const plugins = isOfRun ? await pluginsOfRun(flags) : (await loadBuiltIns()).plugins;
      const facts = plugins.flatMap(({ options }) =>
        metricsOf(options).map((metric) => ({ ...metric, plugin: options.name })),
      );
      print(flags.json, facts, () =>
        facts.map(({ plugin, ...metric }) => `${showMetric(metric)} (${plugin})`).join('\n'),
      );
    });
}

async function pluginsOfRun(flags: ConfigFlags): Promise<readonly FoundPlugin[]> {
  const { run, plugins } = await createRun(requestOf({ ...flags, quiet: true }));
  await run.dispose();
  return plugins;
}

interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly what: string;
  readonly clock: boolean;
}

function metricsOf({ metrics = {} }: PluginOptions): Metric[] {
  return Object.entries(metrics).map(([name, { unit, what, clock = false }]) => ({ name, unit, what, clock }));
}

function showMetric({ name, unit, what }: Metric): string {
  return `${name}${unit === '' ? '' : ` [${unit}]`}: ${what}`;
}

function unknownSetting(key: string, lines: readonly Explained[]): UsageError {
  const known = new Set(
    lines.flatMap(({ path }) => {
      const keys = parsePath(path);
      return keys.map((_, index) => pathKey(keys.slice(0, index + 1)));
    }),
  );
  const others = [...known].filter((each) => parsePath(each).at(-1) === key);
  const called = settingCalled(key);
  const meant = others.length > 0 ? others : called !== undefined && known.has(called) ? [called] : [];
  const near =
    meant.length > 0
      ? `did you mean ${meant.map((each) => JSON.stringify(each)).join(' or ')}?`
      : suggestion(key, [...known], 'keys');
  return new UsageError('ESP_CONFIG_KEY', `the config has no key "${key}": ${near}`);
}
