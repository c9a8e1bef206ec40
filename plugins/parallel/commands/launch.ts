import { Option, type Command } from 'commander';
import { type CommandDefinition, type SetExitCode, mainFile, wholeFrom } from '../../command-line/contract.js';
import { UsageError } from '../../../core/errors.js';
import { findLauncher, launchArguments, type LaunchRequest } from '../launch/mpirun.js';
import { runLauncher } from '../launch/run-launcher.js';

interface LaunchFlags {
  ranks?: number;
  hosts?: string;
  mpi?: 'openmpi' | 'mpich';
  mpirun?: string;
  interface?: string;
  ssh?: string;
  mpiArgs?: string;
  dryRun?: boolean;
}

export const command: CommandDefinition = { order: 40, define };

function define(command: Command, setExitCode: SetExitCode): void {
  command
    .description('train one model in several processes, on one machine or more, started by MPI')
    .argument('<command...>', '`train` and its options')
    .usage('[options] train [flags of train]')
    .passThroughOptions()
    .option('-n, --ranks <count>', 'number of processes (default: one per slot of --hosts)', wholeFrom(1))
    .option('--hosts <host[:slots],…>', 'machines, each with its number of processes')
    .addOption(new Option('--mpi <family>', 'which MPI to use, if several are installed').choices(['openmpi', 'mpich']))
    .option('--mpirun <file>', 'the launcher to use (default: mpirun, then mpiexec, of the PATH)')
    .option('--interface <name>', 'network interface between machines, e.g. eth0')
    .option('--ssh <program>', 'command that starts processes on other machines (default: ssh)')
    .option('--mpi-args <text>', 'further arguments for mpirun, separated by spaces')
    .option('--dry-run', 'print the command that would run')
    .action(async (command: string[], flags: LaunchFlags) => {
      const request = requestFrom(command, flags);
      const launcher = findLauncher(flags);
      const args = launchArguments(launcher.family, request);
      if (flags.dryRun === true) console.log([launcher.file, ...args].map(quoted).join(' '));
      else setExitCode(await runLauncher({ launcher, args, program: mainFile, isRemote: request.hosts.length > 0 }));
    });
}

function requestFrom([name, ...rest]: readonly string[], flags: LaunchFlags): LaunchRequest {
  if (name !== 'train') {
    throw new UsageError(
      'ESP_USAGE',
      `launch starts \`train\` in several processes, but \`${name ?? ''}\` is for one: espalier launch -n 4 train --preset char-small`,
    );
  }
  const hosts = flags.hosts?.split(',').map(hostOf) ?? [];
  const slots = hosts.reduce((sum, host) => sum + host.slots, 0);
  const ranks = flags.ranks ?? slots;
  if (ranks === 0) throw new UsageError('ESP_USAGE', 'launch: say how many processes with -n, or where with --hosts');
  return {
    ranks,
    hosts,
    root: process.getuid?.() === 0,
    interface: flags.interface,
    ssh: flags.ssh,
    more: flags.mpiArgs?.split(' ').filter((word) => word !== '') ?? [],
    program: [process.execPath, mainFile, 'train', '--set', 'plugins.data-parallel=true', ...rest],
  };
}

function hostOf(text: string): { name: string; slots: number } {
  const [, name = '', slots = '1'] = /^([^:\s]+)(?::(\d+))?$/.exec(text.trim()) ?? [];
  if (name !== '' && Number(slots) >= 1) return { name, slots: Number(slots) };
  throw new UsageError(
    'ESP_USAGE',
    `launch: --hosts takes names with a number of processes each, as in node1:2,node2:2, and not "${text}"`,
  );
}

function quoted(word: string): string {
  return /^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
