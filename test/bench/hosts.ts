import { spawnSync } from 'node:child_process';
import { chmod, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** Two hosts connected by a link: network namespaces of this machine, which share its cores. */
export interface Hosts {
  readonly names: readonly string[];
  readonly interface: string;
  /** Command to use instead of ssh. */
  readonly shell: string;
  /** Starts a command on the first host. */
  readonly within: readonly string[];
}

const NAMESPACES = ['espalier-a', 'espalier-b'];
const INTERFACE = 'espalier0';
const addressOf = (host: number): string => `10.213.77.${String(host + 1)}`;

/**
 * Calls a function with two hosts, and removes them afterwards.
 * @param rate of the link in each direction, in the syntax of `tc`: `1gbit`
 * @returns undefined if this machine does not allow it: Linux, root, `ip` and `tc` are required
 */
export async function withHosts<T>(
  folder: string,
  rate: string,
  work: (hosts: Hosts) => Promise<T>,
): Promise<T | undefined> {
  const shell = path.join(folder, 'shell');
  await writeFile(shell, shellScript());
  await chmod(shell, 0o755);
  try {
    if (!setUp(rate)) return undefined;
    return await work({
      names: NAMESPACES.map((_, host) => addressOf(host)),
      interface: INTERFACE,
      shell,
      within: ['ip', 'netns', 'exec', NAMESPACES[0] ?? ''],
    });
  } finally {
    for (const namespace of NAMESPACES) command('ip', 'netns', 'del', namespace);
  }
}

function setUp(rate: string): boolean {
  const [a = '', b = ''] = NAMESPACES;
  return (
    command('ip', 'netns', 'add', a) &&
    command('ip', 'netns', 'add', b) &&
    command('ip', 'link', 'add', INTERFACE, 'netns', a, 'type', 'veth', 'peer', 'name', INTERFACE, 'netns', b) &&
    NAMESPACES.every(
      (namespace, host) =>
        command('ip', '-n', namespace, 'addr', 'add', `${addressOf(host)}/24`, 'dev', INTERFACE) &&
        command('ip', '-n', namespace, 'link', 'set', INTERFACE, 'up') &&
        command('ip', '-n', namespace, 'link', 'set', 'lo', 'up') &&
        command(
          'tc',
          '-n',
          namespace,
          ...`qdisc add dev ${INTERFACE} root tbf rate ${rate} burst 256kb latency 20ms`.split(' '),
        ),
    )
  );
}

/** Reads ssh's arguments: options, a host and a command. Each host has its own folder for MPI's files. */
function shellScript(): string {
  const namespaces = NAMESPACES.map((namespace, host) => `${addressOf(host)}) namespace=${namespace} ;;`);
  return `#!/bin/sh
while [ "\${1#-}" != "$1" ]; do shift; done
case $1 in ${namespaces.join(' ')} esac
export TMPDIR="$(dirname "$0")/$1"
mkdir -p "$TMPDIR"
shift
exec ip netns exec "$namespace" sh -c "$*"
`;
}

function command(...[file, ...args]: [string, ...string[]]): boolean {
  return spawnSync(file, args, { stdio: 'ignore' }).status === 0;
}
