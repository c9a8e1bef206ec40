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
  command.description('create a plugin of your own');
  command
    .command('plugin')
    .description('write a working plugin with its test, and add it to the config of this folder')
    .argument('<name>', 'name of the plugin, such as loss-alarm')
    .addOption(
      new Option('--slot <slot>', 'slot that it fills; a feature fills none').choices(KINDS).default('feature'),
    )
    .option('--package', 'write a package espalier-plugin-NAME, ready to be published')
    .option('-f, --force', 'overwrite existing files')
    .action(async (name: string, { slot, package: isPackage, force = false }: NewFlags) => {
      const { newPackage, newPlugin } = await import('../plugin/new-plugin.js');
      const make = isPackage === true ? newPackage : newPlugin;
      const { files, next } = await make(process.cwd(), slot, name, force);
      console.log([`wrote ${files.join(', ')}`, 'next:', ...next.map((line) => `  ${line}`)].join('\n'));
    });
}
