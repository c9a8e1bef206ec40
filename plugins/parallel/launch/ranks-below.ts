import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

interface Process {
  readonly pid: number;
  readonly parent: number;
  /** The program with its arguments. */
  readonly command: string;
}

/**
 * Finds the ranks on this machine: descendants of a launcher that run a program with this Node.
 * @param launcher process id
 * @param program absolute path of the file that they run
 */
export function ranksBelow(launcher: number, program: string): number[] {
  const all = process.platform === 'linux' ? fromProc() : fromPs();
  // The launcher has the program among its arguments too.
  const command = `${process.execPath} ${program}`;
  const below = new Set([launcher]);
  for (let before = 0; before < below.size;) {
    before = below.size;
    for (const { pid, parent } of all) if (below.has(parent)) below.add(pid);
  }
  return all.filter((each) => below.has(each.pid) && each.command.startsWith(command)).map(({ pid }) => pid);
}

function fromProc(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        // The name, in parentheses, may contain anything; the parent is the second field after it.
        const [, after = ''] = /^.*\) (.*)$/s.exec(readFileSync(`/proc/${name}/stat`, 'utf8')) ?? [];
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return { pid: Number(name), parent: Number(after.split(' ')[1]), command };
      } catch {
        // The process has just ended.
        return [];
      }
    });
}

function fromPs(): Process[] {
  return execFileSync('ps', ['-axo', 'pid=,ppid=,command='], { encoding: 'utf8' })
    .split('\n')
    .flatMap((line) => {
      const [, pid, parent, command = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
      return pid === undefined ? [] : { pid: Number(pid), parent: Number(parent), command };
    });
}
