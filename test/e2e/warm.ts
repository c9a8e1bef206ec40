import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { env } from 'node:process';
import { fileURLToPath } from 'node:url';
import { commandFile, type Outcome } from './command.js';

const worker = fileURLToPath(new URL('./warm-worker.js', import.meta.url));

/** A command to run, and what came of it. */
export interface WarmRequest {
  readonly cwd: string;
  readonly args: readonly string[];
  /** The whole environment, as the test file has it at the time. */
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Runs the real command as `espalier` of `command.ts` does, one after the other in one process of the test file: most of
 * a short command's time is the start of its process. For commands whose process is not what is tested: no signals, no
 * input, and no file of code that changes between two of them.
 */
export function espalier(cwd: string, ...args: string[]): Promise<Outcome> {
  own ??= warm(commandFile);
  return own(cwd, ...args);
}
let own: ReturnType<typeof warm> | undefined;

/** The same of the package that `file` is the command of. */
export function warm(file: string): (cwd: string, ...args: string[]) => Promise<Outcome> {
  const commands = new WarmProcess(file);
  return (cwd, ...args) => commands.run({ cwd, args, env: { ...env } });
}

class WarmProcess {
  #child: ChildProcess | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(private readonly file: string) {
    process.on('exit', () => this.#child?.kill());
  }

  run(request: WarmRequest): Promise<Outcome> {
    const result = this.#last.then(() => this.#ask(request));
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #ask(request: WarmRequest): Promise<Outcome> {
    this.#child ??= fork(worker, [this.file], { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const asked = this.#child;
    asked.ref();
    asked.channel?.ref();
    const ended = new AbortController();
    const { signal } = ended;
    const dies = once(asked, 'exit', { signal }).then(([code]: unknown[]) => {
      this.#child = undefined;
      throw new Error(`\`espalier ${request.args.join(' ')}\` ended its process (${String(code)}): start one for it`);
    });
    const answers = once(asked, 'message', { signal }).then(([answer]: unknown[]) => answer as Outcome);
    asked.send(request);
    try {
      return await Promise.race([answers, dies]);
    } finally {
      answers.catch(() => undefined);
      dies.catch(() => undefined);
      ended.abort();
      // The test file ends without it.
      asked.unref();
      asked.channel?.unref();
    }
  }
}
