import { spawn, type ChildProcess } from 'node:child_process';
import { EspalierError, messageOf } from '../../../core/index.js';

const LINES_OF_ERROR = 6;

/** A program that an install runs, and what to say where it is missing. */
export interface Tool {
  /** The program with arguments that make it print its version. */
  readonly args: readonly string[];
  readonly need: string;
}

export const pip: Tool = {
  args: ['python3', '-m', 'pip', '--version'],
  need: 'python3 with pip (Debian: apt install python3-pip)',
};

/** Runs a program to its end and returns its output. */
export async function runCommand(program: string, args: readonly string[], cwd?: string): Promise<string> {
  const { code, stdout, stderr } = await spawned(program, args, cwd);
  if (code === 0) return stdout;
  const end = (stderr.trim() === '' ? stdout : stderr).trim().split('\n').slice(-LINES_OF_ERROR).join('\n');
  throw new EspalierError('ESP_ENGINE', `\`${program} ${args.slice(0, 3).join(' ')} …\` failed:\n${end}`);
}

/** @throws EspalierError naming every missing tool, before anything is downloaded */
export async function requireTools(tools: readonly Tool[]): Promise<void> {
  const missing: string[] = [];
  for (const { args, need } of tools) {
    const [program = '', ...rest] = args;
    try {
      await runCommand(program, rest);
    } catch {
      missing.push(need);
    }
  }
  if (missing.length > 0) throw new EspalierError('ESP_ENGINE', `the install needs ${missing.join(' and ')}`);
}

function spawned(
  program: string,
  args: readonly string[],
  cwd?: string,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    // In its own process group, so that it can be ended together with its children.
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      ...(cwd === undefined ? {} : { cwd }),
    });
    const end = (): void => {
      endGroup(child);
    };
    // Ends it before its folder is removed.
    process.prependListener('exit', end);
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', (error) => {
      reject(new EspalierError('ESP_ENGINE', `${program} does not start: ${messageOf(error)}`, { cause: error }));
    });
    child.on('close', (code) => {
      process.off('exit', end);
      resolve({ code, stdout, stderr });
    });
  });
}

function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The process has just ended.
  }
}
