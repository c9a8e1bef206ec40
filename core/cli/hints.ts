import { existsSync } from 'node:fs';
import { settingCalled } from '../../plugins/nanogpt/migration/synonyms.js';

/** Commands that other programs have, and what to write here. */
const commands: Readonly<Record<string, string>> = {
  config: 'explain',
  eval: 'evaluate',
  export: 'checkpoint export',
  fit: 'train',
  generate: 'sample',
  list: 'checkpoint list',
  resume: 'train --resume',
  runs: 'dashboard',
  test: 'evaluate',
  validate: 'evaluate',
};

/** Options of nanoGPT's sample.py, and others of that kind. */
const options: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  sample: {
    max_length: '--tokens',
    max_new_tokens: '--tokens',
    num_samples: '--count',
    n_samples: '--count',
    start: '--prompt',
  },
};

/**
 * What commander says of a command line that it does not take, with what was meant where it is a setting, or what
 * another program calls so.
 * @param message its words, with a line break at the end
 * @param typed what was typed behind `espalier`
 * @param hasSet whether that command has `--set`: for others, an option that they do not know is no setting
 */
export function withHint(message: string, typed: readonly string[], hasSet: boolean): string {
  const [first = ''] = message.split('\n');
  const hint = hintFor(first, typed, hasSet);
  return hint === undefined ? message : `${first}\n(${hint})\n`;
}

function hintFor(message: string, [command = '', ...rest]: readonly string[], hasSet: boolean): string | undefined {
  if (message.includes('unknown command')) {
    const meant = Object.hasOwn(commands, command) ? commands[command] : undefined;
    return meant === undefined ? undefined : `write ${['espalier', meant, ...rest].join(' ')}`;
  }
  if (message.includes('too many arguments')) return hasSet ? meantArgument(rest) : undefined;
  const option = /unknown option '(-[^']*)'/.exec(message)?.[1];
  if (option === undefined) return undefined;
  const { name, value } = readOption(option, rest);
  const own = options[command] ?? {};
  const plain = name.replaceAll('-', '_');
  if (Object.hasOwn(own, plain)) return `write ${own[plain] ?? ''} ${value}`;
  const setting = name.includes('.') ? name : settingCalled(name);
  return hasSet && setting !== undefined ? `write --set ${setting}=${value}` : undefined;
}

/** The value stands behind `=`, or is what comes next. */
function readOption(option: string, rest: readonly string[]): { name: string; value: string } {
  const [name = '', ...given] = option.replace(/^-+/, '').split('=');
  if (given.length > 0) return { name, value: given.join('=') };
  const next = rest[rest.indexOf(option) + 1];
  return { name, value: next === undefined || next.startsWith('-') ? 'VALUE' : next };
}

/** `train max_iters=3`, or as nanoGPT takes it, `train config/mine.py`. */
function meantArgument(rest: readonly string[]): string | undefined {
  const setting = rest.find((each, index) => /^[\w."]+[^=]*=/.test(each) && !(rest[index - 1] ?? '').startsWith('-'));
  if (setting !== undefined) {
    const [name = '', ...value] = setting.split('=');
    return `write --set ${settingCalled(name) ?? name}=${value.join('=')}`;
  }
  const python = rest.find((each) => each.endsWith('.py') && existsSync(each));
  return python === undefined ? undefined : `espalier migrate ${python} makes a config of a nanoGPT config file`;
}
