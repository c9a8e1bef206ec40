import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { UsageError } from '../../../core/errors.js';
import { commandName, type CommandDefinition, type SetExitCode } from '../../command-line/contract.js';

export const command: CommandDefinition = { order: 3, define };

interface InitFlags {
  text?: string;
  data?: string;
  preset?: string;
  ts?: boolean;
  yes?: boolean;
  force?: boolean;
}

function define(command: Command, setExitCode: SetExitCode): void {
  command
    .description('write a config for this folder, a schema for editors, and a .gitignore')
    .option('--text <file>', 'text to train on')
    .option('--data <dir>', 'folder to train on, written by espalier prepare')
    .option('-p, --preset <name>', 'preset to start from')
    .option('--ts', 'write the config in TypeScript')
    .option('-y, --yes', 'use defaults instead of asking (also without a terminal)')
    .option('-f, --force', 'overwrite existing files')
    .action(async (flags: InitFlags) => {
      const lines = await init(process.cwd(), flags);
      if (lines === undefined) setExitCode(1);
      else console.log(lines.join('\n'));
    });
}

/** @returns lines to print; undefined if the user cancels */
async function init(
  folder: string,
  { ts = false, yes = false, force = false, ...given }: InitFlags,
): Promise<string[] | undefined> {
  const { listPresets, searchPlaces } = await import('../../configs/contract.js');
  const { ignored, runName, SCHEMA_FILE, typescriptConfig, yamlConfig } = await import('../init/files.js');
  const { writeNew } = await import('../shared/written.js');
  const presets = listPresets(folder).filter(({ name }) => name !== 'base');
  const isAsking = !yes && process.stdin.isTTY && process.stdout.isTTY;
  const { ask, withDefaults } = await import('../init/questions.js');
  withDefaults(given, presets);
  const answered = isAsking ? await ask(given, presets) : given;
  if (answered === undefined) return undefined;
  const choices = { ...withDefaults(answered, presets), name: runName(folder) };
  const config = ts ? typescriptConfig(choices) : yamlConfig(choices);
  const other = searchPlaces.find(
    (place) => place !== 'package.json' && place !== config.name && existsSync(path.join(folder, place)),
  );
  if (other !== undefined) {
    throw new UsageError(
      'ESP_SCAFFOLD_EXISTS',
      `this folder already has a config, ${other}; edit it, or remove it first`,
    );
  }
  const schema = ts ? [] : [{ name: SCHEMA_FILE, text: await schemaText(folder, choices.preset) }];
  const isKept = existsSync(path.join(folder, ignored.name)) && !force;
  const files = [config, ...schema, ...(isKept ? [] : [ignored])];
  await writeNew(folder, files, force);
  return [
    `wrote ${files.map(({ name }) => name).join(', ')}`,
    ...(isKept ? [`${ignored.name} exists and is kept; add runs/ to it`] : []),
    ...(ts ? ['for types in your editor: npm install --save-dev espalier'] : []),
    `next: ${commandName()} train`,
  ];
}

async function schemaText(cwd: string, preset: string): Promise<string> {
  const { composeRequest } = await import('../../../core/runs.js');
  const { configSchema } = await import('../../configs/contract.js');
  const { schema } = await configSchema(cwd, await composeRequest({ cwd, configFile: false, presets: [preset] }));
  return `${JSON.stringify(schema, null, 2)}\n`;
}
