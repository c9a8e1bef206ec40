import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { type CommandDefinition } from '../../command-line/contract.js';
import { messageOf, UsageError } from '../../../core/errors.js';
import { readTextFile, writeWholeSync } from '../../files/contract.js';
import { migrated } from '../migration/nanogpt.js';
import { readPythonConfig } from '../migration/python-config.js';

interface MigrateFlags {
  out?: string;
  force?: boolean;
}

export const command: CommandDefinition = {
  order: 200,
  define,
  meant: (argument) =>
    argument.endsWith('.py') && existsSync(argument)
      ? `espalier migrate ${argument} converts a nanoGPT config file`
      : undefined,
};

function define(command: Command): void {
  command
    .description('convert a nanoGPT config file (Python `key = value` lines) without executing it')
    .argument('<config.py>', 'nanoGPT config file')
    .option('-o, --out <file>', 'YAML file to write (default: print it)')
    .option('--force', 'overwrite an existing file')
    .action(async (file: string, flags: MigrateFlags) => {
      const settings = readPythonConfig(read(file), file);
      if (settings.length === 0) {
        throw new UsageError(
          'ESP_MIGRATE',
          `${file} contains no settings; a nanoGPT config file has \`key = value\` lines`,
        );
      }
      const { stringify } = await import('yaml');
      const { config, notes } = migrated(settings, await (await import('../../configs/contract.js')).otherNames());
      const yaml = `# From ${path.basename(file)}.\n${stringify(config)}`;
      for (const note of notes) console.error(`${file}: ${note}`);
      if (flags.out === undefined) {
        process.stdout.write(yaml);
        return;
      }
      if (existsSync(flags.out) && flags.force !== true) {
        throw new UsageError(
          'ESP_MIGRATE',
          `${flags.out} already exists: choose another file with --out, or overwrite it with --force`,
        );
      }
      write(flags.out, yaml);
      console.error(`${flags.out}: check it with espalier train --preset ./${flags.out} --dry-run`);
    });
}

function write(file: string, yaml: string): void {
  try {
    writeWholeSync(file, yaml);
  } catch (thrown) {
    throw new UsageError('ESP_MIGRATE', `${file} cannot be written: ${messageOf(thrown)}; choose another with --out`, {
      cause: thrown,
    });
  }
}

function read(file: string): string {
  if (!existsSync(file)) throw new UsageError('ESP_MIGRATE', `there is no file ${file}; give a nanoGPT config file`);
  try {
    if (statSync(file).isDirectory()) throw new Error('it is a folder; give a config file in it');
    return readTextFile(file);
  } catch (thrown) {
    throw new UsageError('ESP_MIGRATE', `${file} cannot be read: ${messageOf(thrown)}`, { cause: thrown });
  }
}
