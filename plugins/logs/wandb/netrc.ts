import { homedir } from 'node:os';
import path from 'node:path';
import { readTextFile } from '../../files/contract.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The password that `wandb login` left for a host, where the Python client looks for it. */
export function keyFromNetrc(host: string, environment: Environment): string | undefined {
  const named = environment['NETRC'];
  const files =
    named !== undefined && named !== ''
      ? [named.replace(/^~(?=\/)/, homedir())]
      : ['.netrc', '_netrc'].map((name) => path.join(homedir(), name));
  for (const file of files) {
    try {
      return passwordIn(readTextFile(file), host);
    } catch {
      // There is no such file.
    }
  }
  return undefined;
}

/** `machine HOST login … password …`, in any layout; an entry `default` is for all hosts. */
function passwordIn(text: string, host: string): string | undefined {
  const words = text
    .split('\n')
    .map((line) => line.replace(/(^|\s)#.*$/, ''))
    .join(' ')
    .split(/\s+/);
  const found = new Map<string, string>();
  let machine: string | undefined;
  for (let at = 0; at < words.length; at++) {
    if (words[at] === 'machine') machine = words[++at];
    else if (words[at] === 'default') machine = '';
    else if (words[at] === 'login' || words[at] === 'account') at++;
    else if (words[at] === 'password') {
      const password = words[++at];
      if (machine !== undefined && password !== undefined) found.set(machine, password);
    }
  }
  return found.get(host) ?? found.get('');
}
