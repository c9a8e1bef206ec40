import type { Command } from 'commander';
import type { CommandDefinition } from '../../command.js';
import { renderLines, type Explained } from '../../config/explain.js';
import { suggestion } from '../../config/nearest.js';
import { parsePath, pathKey } from '../../config/path.js';
import { otherNames, type SettingCalled } from '../../config/other-names.js';
import { UsageError } from '../../errors.js';
import { makeRun } from '../../run/make.js';
import { print, requestOf, withConfigFlags, type ConfigFlags } from '../options.js';

export const command: CommandDefinition = { order: 120, define, aka: { config: 'explain' } };

function define(command: Command): void {
  command.description('print the composed config, with the place each value came from');
  withConfigFlags(command)
    .argument('[key]', 'only what is below this key, e.g. model')
    .option('--json', 'print JSON')
    .action(async (key: string | undefined, flags: ConfigFlags & { json?: boolean }) => {
      const { run } = await makeRun({ ...requestOf({ ...flags, quiet: true }) });
      await run.dispose();
      const all = run.explain();
      const lines = all.filter(({ path }) => key === undefined || path === key || path.startsWith(`${key}.`));
      if (key !== undefined && lines.length === 0) throw unknownSetting(key, all, await otherNames());
      print(flags.json, lines, () => renderLines(lines));
    });
}

function unknownSetting(key: string, lines: readonly Explained[], settingCalled: SettingCalled): UsageError {
  const known = new Set(
    lines.flatMap(({ path }) => {
      const keys = parsePath(path);
      return keys.map((_, index) => pathKey(keys.slice(0, index + 1)));
    }),
  );
  const others = [...known].filter((each) => parsePath(each).at(-1) === key);
  const called = settingCalled(key);
  const meant = others.length > 0 ? others : called !== undefined && known.has(called) ? [called] : [];
  const near =
    meant.length > 0
      ? `did you mean ${meant.map((each) => JSON.stringify(each)).join(' or ')}?`
      : suggestion(key, [...known], 'keys');
  return new UsageError('ESP_CONFIG_KEY', `the config has no key "${key}": ${near}`);
}
