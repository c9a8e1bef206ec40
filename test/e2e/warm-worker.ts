// Runs one command after the other in one process: the module of the command itself is loaded anew for each. Its file is
// the argument: another package's, where that is tested.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { WarmRequest } from './warm.js';

const [, , commandFile = ''] = process.argv;
const command = pathToFileURL(commandFile).href;

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

// Each command listens as if it were the only one of its process.
for (const emitter of [process, process.stdout, process.stderr]) emitter.setMaxListeners(0);

let count = 0;

async function answer({ cwd, args, env }: WarmRequest): Promise<void> {
  [written.out, written.err] = ['', ''];
  process.chdir(cwd);
  for (const name of Object.keys(process.env)) if (!(name in env)) Reflect.deleteProperty(process.env, name);
  Object.assign(process.env, env);
  process.argv = [process.argv[0] ?? '', commandFile, ...args];
  process.exitCode = 0;
  await import(`${command}?${String(count++)}`);
  // A promise that it left rejected ends the process as its own command, not as the next one.
  await nextTurn();
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
