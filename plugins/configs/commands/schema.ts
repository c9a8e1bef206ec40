import type { Command } from 'commander';
import { requestOf, withConfigFlags, type CommandDefinition, type ConfigFlags } from '../../command-line/contract.js';

export const command: CommandDefinition = { order: 125, define };

function define(command: Command): void {
  command.description('write a JSON Schema of the configs of this folder, for completion and checks in editors');
  withConfigFlags(command)
    .option('-o, --out <file>', 'file to write (default: print it)')
    .action(async (flags: ConfigFlags & { out?: string }) => {
      const { composeRequest } = await import('../../../core/runs.js');
      const { configSchema } = await import('../json-schema/config.js');
      const request = requestOf(flags);
      const { schema, broken } = await configSchema(request.cwd, await composeRequest(request));
      for (const [name, reason] of broken) console.error(`the options of ${name} are left unchecked: ${reason}`);
      const text = `${JSON.stringify(schema, null, 2)}\n`;
      if (flags.out === undefined) {
        process.stdout.write(text);
        return;
      }
      const { writeWhole } = await import('../../files/contract.js');
      await writeWhole(flags.out, text);
      if (flags.quiet !== true) console.log(`wrote ${flags.out}`);
    });
}
