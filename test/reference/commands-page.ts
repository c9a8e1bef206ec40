import { Command, type Argument, type Option } from 'commander';
import { builtInFamilies } from '../../core/families/family.js';
import { addOptions, findCommands, loadCommand } from '../../plugins/command-line/shell/discover.js';
import { cell, GENERATED } from './markdown.js';

const EXIT_CODES = [
  ['0', 'done'],
  ['1', 'failed'],
  ['2', 'wrong usage or config; nothing was created'],
  [
    '128 + N',
    'stopped by signal N: 129 SIGHUP, 130 SIGINT (Ctrl-C), 131 SIGQUIT, 140 SIGUSR2, 143 SIGTERM, 152 SIGXCPU',
  ],
];

/** Every command of the built-in families, with its arguments and options, as `--help` prints them. */
export async function commandsPage(): Promise<string> {
  const families = builtInFamilies();
  const loaded = await Promise.all(
    [...findCommands(families).values()].map(async (found) => ({ name: found.name, ...(await loadCommand(found)) })),
  );
  const place = ({ order = Infinity }: { order?: number }): number => order;
  const commands: Command[] = [];
  for (const { name, define } of loaded.sort((a, b) => place(a) - place(b) || (a.name < b.name ? -1 : 1))) {
    const command = new Command('espalier').enablePositionalOptions().command(name);
    define(command, () => undefined, []);
    await addOptions(command, families);
    commands.push(command);
  }
  return [
    GENERATED,
    '# Commands',
    '`espalier COMMAND --help` prints the same. Where a command takes a run, it is a folder such as `runs/book`; without one it is the newest run in `runs`. `--preset` and `--set` may be given several times.',
    ['| Command | What it does |', '| --- | --- |', ...commands.map(summaryRow)].join('\n'),
    '## Exit codes',
    ['| Code | Meaning |', '| --- | --- |', ...EXIT_CODES.map(([code, what]) => `| ${code} | ${what} |`)].join('\n'),
    '`train` saves an emergency checkpoint before a signal ends it: see [signals](../guides/checkpoints.md#signals).',
    ...commands.flatMap((command) => sections(command, [])),
    '',
  ].join('\n\n');
}

function summaryRow(command: Command): string {
  return `| [\`${command.name()}\`](#espalier-${command.name()}) | ${cell(command.description())} |`;
}

function sections(command: Command, parents: readonly string[]): string[] {
  const names = [...parents, command.name()];
  const shown = command.options.filter(({ hidden }) => !hidden);
  return [
    `${'#'.repeat(names.length + 1)} espalier ${names.join(' ')}`,
    sentence(command.description()),
    `Usage: \`espalier ${names.join(' ')} ${command.usage()}\``,
    ...(command.registeredArguments.length === 0 ? [] : [argumentTable(command.registeredArguments)]),
    ...(shown.length === 0 ? [] : [optionTable(shown)]),
    ...command.commands.flatMap((each) => sections(each, names)),
  ];
}

function argumentTable(args: readonly Argument[]): string {
  const rows = args.map((each) => `| \`${each.name()}\` | ${cell(each.description)} |`);
  return ['| Argument | What it is |', '| --- | --- |', ...rows].join('\n');
}

function optionTable(options: readonly Option[]): string {
  const rows = options.map(
    (option) => `| \`${cell(option.flags)}\` | ${cell(option.description)} | ${defaultOf(option)} |`,
  );
  return ['| Option | What it does | Default |', '| --- | --- | --- |', ...rows].join('\n');
}

function defaultOf({ defaultValue, defaultValueDescription, negate }: Option): string {
  if (defaultValueDescription !== undefined) return cell(defaultValueDescription);
  const value: unknown = defaultValue;
  return value === undefined || value === false || negate ? '' : `\`${cell(JSON.stringify(value))}\``;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith('.') ? '' : '.'}`;
}
