// Runs one command after the other in one process: the module of the command itself is loaded anew for each.
import { fileURLToPath } from 'node:url';
import type { WarmRequest } from './warm.js';

const commandFile = fileURLToPath(new URL('../../plugins/command-line/shell/main.js', import.meta.url));

const written = { out: '', err: '' };
const write = (to: keyof typeof written) =>
  function keep(piece: string | Uint8Array, ...rest: unknown[]): boolean {
    written[to] += typeof piece === 'string' ? piece : Buffer.from(piece).toString();
    const done = rest.at(-1);
    if (typeof done === 'function') process.nextTick(done);
    return true;
  };
process.stdout.write = write('out');
process.stderr.write = write('err');

let count = 0;

async function answer({ cwd, args }: WarmRequest): Promise<void> {
  [written.out, written.err] = ['', ''];
  process.chdir(cwd);
  process.argv = [process.argv[0] ?? '', commandFile, ...args];
  process.exitCode = 0;
  await import(`../../plugins/command-line/shell/main.js?${String(count++)}`);
  const code = process.exitCode;
  // Until the next one: a folder that is somebody's working folder cannot be removed everywhere.
  process.chdir('/');
  process.send?.({ code, ...written });
}

process.on('message', (request: WarmRequest) => {
  answer(request).catch((thrown: unknown) => {
    process.send?.({ code: 1, out: written.out, err: String(thrown) });
  });
});
