import type { Command } from 'commander';
import { UsageError } from '../../../core/errors.js';
import type { Explained } from '../../../core/runs.js';
import type { CommandDefinition } from '../shell/definition.js';
import { print, requestOf, withConfigFlags, type ConfigFlags } from '../shell/options.js';

export const command: CommandDefinition = { order: 120, define, aka: { config: 'explain' } };

function define(command: Command): void {
  command.description('print the composed config, with the origin of each value');
  withConfigFlags(command)
    .argument('[key]', 'show only this key, e.g. model')
    .option('--json', 'print JSON')
    .action(async (key: string | undefined, flags: ConfigFlags & { json?: boolean }) => {
      const { makeRun } = await import('../../../core/runs.js');
      const { renderLines } = await import('../../configs/contract.js');
      const { run } = await makeRun(requestOf({ ...flags, quiet: true }));
      await run.dispose();
      const all = run.explain();
      const lines = all.filter(({ path }) => key === undefined || path === key || path.startsWith(`${key}.`));
      if (key !== undefined && lines.length === 0) throw await unknownSetting(key, all);
      print(flags.json, lines, () => renderLines(lines));
    });
}

async function unknownSetting(key: string, lines: readonly Explained[]): Promise<UsageError> {
  const { suggestion } = await import('../../../core/index.js');
  const { pathKey } = await import('../../../core/runs.js');
  const { otherNames, parsePath } = await import('../../configs/contract.js');
  const known = new Set(
    lines.flatMap(({ path }) => {
      const keys = parsePath(path);
      return keys.map((_, index) => pathKey(keys.slice(0, index + 1)));
    }),
  );
  const others = [...known].filter((each) => parsePath(each).at(-1) === key);
  const called = (await otherNames())(key);
  const meant = others.length > 0 ? others : called !== undefined && known.has(called) ? [called] : [];
  const near =
    meant.length > 0
      ? `did you mean ${meant.map((each) => JSON.stringify(each)).join(' or ')}?`
      : suggestion(key, [...known], 'keys');
  return new UsageError('ESP_CONFIG_KEY', `the config has no key "${key}": ${near}`);
}
