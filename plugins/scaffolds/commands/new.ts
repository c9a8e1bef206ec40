import { Option, type Command } from 'commander';
import type { CommandDefinition } from '../../command-line/contract.js';

const KINDS = ['feature', 'engine', 'tokenizer', 'data', 'batches', 'model', 'optimizer', 'lr'] as const;

export const command: CommandDefinition = { order: 6, define, aka: { create: 'new', generate: 'new' } };

interface NewFlags {
  slot: (typeof KINDS)[number];
  package?: boolean;
  force?: boolean;
}

function define(command: Command): void {
  command.description('write the start of something of your own');
  command
    .command('plugin')
    .description('write a plugin that runs, with its test and its entry in the config of this folder')
    .argument('<name>', 'its name, such as loss-alarm')
    .addOption(new Option('--slot <slot>', 'what it fills; a feature fills none').choices(KINDS).default('feature'))
    .option('--package', 'write a package espalier-plugin-NAME, ready to be published')
    .option('-f, --force', 'overwrite files that exist')
    .action(async (name: string, { slot, package: isPackage, force = false }: NewFlags) => {
      const { newPackage, newPlugin } = await import('../plugin/new-plugin.js');
      const make = isPackage === true ? newPackage : newPlugin;
      const { files, next } = await make(process.cwd(), slot, name, force);
      console.log([`wrote ${files.join(', ')}`, 'next:', ...next.map((line) => `  ${line}`)].join('\n'));
    });
}
