import { Option, type Command } from 'commander';
import { type CommandDefinition, wholeFrom } from '../../command-line/contract.js';
import { findRuns } from '../server/find-runs.js';
import { DEFAULT_HOST, DEFAULT_PORT, portNote } from '../server/address.js';

interface DashboardFlags {
  host: string;
  port: number;
}

export const command: CommandDefinition = { order: 80, define, aka: { runs: 'dashboard' } };

function define(command: Command): void {
  command
    .argument('[runs...]', 'run folders, or folders that contain runs (default: all in runs/)')
    .description('show runs live in the browser')
    .addOption(
      new Option(
        '--host <address>',
        'address to listen on; if other machines can reach it, the URL contains a token',
      ).default(DEFAULT_HOST),
    )
    .addOption(
      new Option('--port <number>', 'first port to try; 0: any').argParser(wholeFrom(0, 65_535)).default(DEFAULT_PORT),
    )
    .action(async (runs: string[], { host, port }: DashboardFlags) => {
      const cwd = process.cwd();
      const found = findRuns(runs, cwd);
      const { serveDashboard } = await import('../server/serve.js');
      const { url } = await serveDashboard({ find: () => findRuns(runs, cwd), host, port });
      console.error(`${String(found.length)} run${found.length === 1 ? '' : 's'}; Ctrl-C to stop`);
      const note = portNote(port, url);
      if (note !== undefined) console.error(note);
      console.log(`dashboard: ${url}`);
    });
}
