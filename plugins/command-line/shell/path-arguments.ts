import type { Command } from 'commander';
import { homeExpanded } from '../../../core/paths.js';

/** Names that commands use for arguments, and for values of options, that are paths. */
const PATH = /^(?:checkpoint|config\.py|dir|(?:name\|)?file|file\|pattern|folder|input|(?:name\|)?path|program|runs?)$/;

/** Expands `~` in all arguments that are paths, which a shell does not do in `--out=~/x`. */
export function expandHome(_program: Command, command: Command): void {
  for (const option of command.options) {
    const key = option.attributeName();
    const value: unknown = command.getOptionValue(key);
    const expanded = PATH.test(valueName(option.flags)) ? expandedIn(value) : value;
    if (expanded !== value) command.setOptionValueWithSource(key, expanded, command.getOptionValueSource(key));
  }
  command.processedArgs = command.processedArgs.map((value: unknown, index) =>
    PATH.test(command.registeredArguments[index]?.name() ?? '') ? expandedIn(value) : value,
  );
}

/** Returns the name of an option's value: `file` for `-o, --out <file>`. */
function valueName(flags: string): string {
  return /[<[]([^>\].]+(?:\.\w+)?)(?:\.\.\.)?[>\]]/.exec(flags)?.[1] ?? '';
}

function expandedIn(value: unknown): unknown {
  if (typeof value === 'string') return homeExpanded(value);
  return Array.isArray(value) ? value.map(expandedIn) : value;
}
