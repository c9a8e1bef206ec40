import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { messageOf } from '../../../core/errors.js';
import { installedPackages, type Family } from '../../../core/installation.js';
import { findNamed } from '../../../core/runs.js';

/** A package of a project, with the names of what it contributes, by kind. */
interface Contribution {
  readonly name: string;
  readonly version: string;
  /** Only kinds that it has: `plugins`, `commands`, `options` (of commands), `formats`, `events`, `presets`. */
  readonly contributes: Readonly<Record<string, readonly string[]>>;
  /** Why its plugin does not load here. */
  readonly error?: string;
}

/** Returns the packages that contribute to espalier in the project of a folder. @throws UsageError for a wrong declaration */
export async function installed(cwd: string): Promise<Contribution[]> {
  const found: Contribution[] = [];
  for (const { name, version, family } of installedPackages(cwd)) {
    const own = family === undefined ? await pluginIn(name, cwd) : { contributes: partsOf(family) };
    found.push({ name, version, ...own });
  }
  return found;
}

/** Returns the lines that describe a package. */
export function installedLines({ name, version, contributes, error }: Contribution): string[] {
  const parts = Object.entries(contributes).map(([kind, names]) => `    ${kind}: ${names.join(', ')}`);
  return [`${name} ${version}`.trim(), ...parts, ...(error === undefined ? [] : [`    does not load here: ${error}`])];
}

/** Of a package whose main file is a plugin. */
async function pluginIn(name: string, cwd: string): Promise<Pick<Contribution, 'contributes' | 'error'>> {
  try {
    const { options } = await findNamed(name, cwd);
    return { contributes: { plugins: [options.name] } };
  } catch (thrown) {
    return { contributes: {}, error: messageOf(thrown) };
  }
}

function partsOf({ plugins, commands, options, events, presets, folder }: Family): Contribution['contributes'] {
  const parts = {
    plugins: [...plugins.keys()],
    commands: [...commands.keys()],
    'options of': [...options.keys()],
    formats: namesIn(path.join(folder, 'formats')),
    events: events === undefined ? [] : [path.basename(events)],
    presets: presets === undefined ? [] : namesIn(presets),
  };
  return Object.fromEntries(Object.entries(parts).filter(([, names]) => names.length > 0));
}

/** Names of the files of a folder, without endings. */
function namesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => !name.startsWith('.') && !name.endsWith('.d.ts'));
  return [...new Set(names.map((name) => path.parse(name).name))].sort();
}
