import type { Command, Option } from 'commander';
import { type ConfigFlags, type OptionsDefinition, wholeFrom } from '../../command-line/contract.js';

interface VerifyFlags extends ConfigFlags {
  json?: boolean;
  verifyDeterminism?: number;
}

/** Options that can be combined with `--verify-determinism`. The others are about training, which it replaces. */
const compatible = ['preset', 'set', 'config', 'quiet', 'json', 'verifyDeterminism'];

/** `train --verify-determinism N` */
export const options: OptionsDefinition = (command) => {
  command.option(
    '--verify-determinism <iterations>',
    'run this many iterations in two processes and report the first difference',
    wholeFrom(1),
  );
  return {
    replace() {
      const flags = command.opts<VerifyFlags>();
      const { verifyDeterminism: iterations } = flags;
      if (iterations === undefined) return undefined;
      refuseOthers(command);
      return import('../determinism/verify-determinism.js').then(({ verifyDeterminism }) =>
        verifyDeterminism(flags, iterations),
      );
    },
  };
};

function refuseOthers(command: Command): void {
  const isGiven = (option: Option): boolean => command.getOptionValueSource(option.attributeName()) === 'cli';
  const other = command.options.find((option) => isGiven(option) && !compatible.includes(option.attributeName()));
  if (other === undefined) return;
  const own = command.options.find((option) => option.attributeName() === 'verifyDeterminism')?.flags ?? '';
  command.error(`error: option '${own}' cannot be used with option '${other.flags}'`, {
    code: 'commander.conflictingOption',
  });
}
