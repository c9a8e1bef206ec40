import { coreSchema } from '../../core/config/schema.js';
import { describeOptions, type OptionDoc } from '../../plugins/configs/printing/options.js';
import { EventTable } from '../../core/events/table.js';
import { familyEvents } from '../../core/families/events.js';
import { builtInFamilies } from '../../core/families/family.js';
import { loadBuiltIns } from '../../core/families/load.js';
import { commandsPage } from './commands-page.js';
import { contractsPage } from './contracts-page.js';
import { errorsPage } from './errors-page.js';
import { kernelTable } from './kernel-table.js';
import { cell, GENERATED } from './markdown.js';
import { pluginsPage } from './plugins-page.js';

/** The reference pages, by path in `docs/`. */
export async function referencePages(): Promise<Record<string, string>> {
  return {
    'reference/config.md': await configPage(),
    'reference/events.md': await eventsPage(),
    'reference/metrics.md': await metricsPage(),
    'reference/kernels.md': await kernelsPage(),
    'reference/commands.md': await commandsPage(),
    'reference/plugins.md': await pluginsPage(),
    'reference/contracts.md': contractsPage(),
    'reference/errors.md': errorsPage(),
  };
}

async function kernelsPage(): Promise<string> {
  return [
    GENERATED,
    '# Kernels of TensorFlow.js',
    'Which engine has a kernel in native code, and whether it has a gradient. `view` gives the same memory another shape; `of others` is made of operations that the engine has. See [engines](../guides/engines.md).',
    await kernelTable(),
    '',
  ].join('\n\n');
}

async function configPage(): Promise<string> {
  const { plugins } = await loadBuiltIns();
  const sections = plugins.map(({ options }) => {
    const place = options.slot === undefined ? `under \`plugins.${options.name}\`` : `fills \`${options.slot}\``;
    const table = optionTable(options.config === undefined ? [] : describeOptions(options.config));
    return [`## ${options.name}`, `${options.summary} (${place})`, table].join('\n\n');
  });
  return [
    GENERATED,
    '# Config reference',
    'Slots (`engine`, `model`, `optimizer`, `lr`, `data`, `batches`) are each filled by one plugin; its options stand beside its name. Features stand under `plugins`. See [presets](../guides/presets.md) for how configs compose, and [resume](../guides/resume.md) for what a resumed run may change.',
    '## Core',
    optionTable(describeOptions(coreSchema)),
    ...sections,
    '',
  ].join('\n\n');
}

function optionTable(options: readonly OptionDoc[]): string {
  if (options.length === 0) return 'No options.';
  const rows = options.map(
    ({ name, type, default: value, description, resume }) =>
      `| \`${name}\` | ${cell(type)} | ${value === undefined ? '' : `\`${cell(JSON.stringify(value))}\``} | ${resume ?? ''} | ${cell(description)} |`,
  );
  return ['| option | type | default | on resume | |', '| --- | --- | --- | --- | --- |', ...rows].join('\n');
}

async function eventsPage(): Promise<string> {
  const rows = new EventTable(await familyEvents(builtInFamilies())).list().map(({ name, from, when, payload }) => {
    const fields = Object.entries(payload).map(
      ([field, { what, replaceable }]) => `- \`${field}\`${replaceable ? ' (may be replaced)' : ''}: ${what}`,
    );
    return [
      `## ${name}`,
      `Fires ${when}.${from === 'core' ? '' : ` Declared by the family \`${from}\`.`}`,
      fields.join('\n'),
    ].join('\n\n');
  });
  return [
    GENERATED,
    '# Events',
    'Those of the core in the order of a run, then those that families of plugins declare; a plugin may [declare its own](../plugins/feature.md#events-of-your-own), which `espalier events --preset X` prints with them. Listeners of an event run in the order of their plugins (`espalier train --dry-run` prints it); a payload field is read-only unless it says otherwise.',
    ...rows,
    '',
  ].join('\n\n');
}

async function metricsPage(): Promise<string> {
  const { plugins } = await loadBuiltIns();
  const rows = plugins.flatMap(({ options: { name: plugin, metrics = {} } }) =>
    Object.entries(metrics).map(
      ([name, { unit, what, clock }]) =>
        `| \`${name}\` | ${unit} | ${cell(what)} | \`${plugin}\` | ${clock === true ? 'clock' : ''} |`,
    ),
  );
  return [
    GENERATED,
    '# Metrics',
    'Plugins publish numbers through the event `metrics`, under names that they declare; `iter` is the number of iterations done, and `tokens` the training tokens seen. `*` stands for anything. Those of the clock are in `timings.jsonl` and differ from run to run; all others are in `metrics.jsonl`, and are a function of config, data and engine: the same run has the same, bit for bit.',
    ['| metric | unit | what | published by | |', '| --- | --- | --- | --- | --- |', ...rows].join('\n'),
    '',
  ].join('\n\n');
}
