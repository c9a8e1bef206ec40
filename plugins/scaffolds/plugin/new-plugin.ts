import { existsSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from '../../../core/errors.js';
import { builtInNames, slotKeys } from '../../../core/runs.js';
import { searchPlaces } from '../../configs/contract.js';
import { readTextFile, writeWhole } from '../../files/contract.js';
import { packageCommands } from '../../packages/contract.js';
import { writeNew } from '../shared/written.js';
import { entryOf, withPlugin } from './config-entry.js';
import { packageFiles, projectFiles } from './project.js';
import { pluginFiles, type Kind } from './templates.js';

/** The files written, and what is left to do. */
export interface Made {
  readonly files: readonly string[];
  /** Lines to print: what to add by hand, then the next commands. */
  readonly next: readonly string[];
}

/** Writes a plugin and its test into a folder and adds it to the config there. @throws UsageError if files exist */
export async function newPlugin(folder: string, kind: Kind, name: string, force: boolean): Promise<Made> {
  refuseName(kind, name);
  const { plugin, test } = pluginFiles(kind, name);
  const files = [
    { name: `${name}.ts`, text: plugin },
    { name: `${name}.test.ts`, text: test },
  ];
  const project = projectFiles().filter(({ name: file }) => !existsSync(path.join(folder, file)));
  await writeNew(folder, files, force);
  await writeNew(folder, project, force);
  const written = [...files, ...project].map(({ name: file }) => file);
  const use = `./${name}.ts`;
  const config = searchPlaces.find((place) => place !== 'package.json' && existsSync(path.join(folder, place)));
  const edited = config ?? 'espalier.config.yaml';
  const commands = projectCommands();
  if (!/\.ya?ml$/.test(edited))
    return { files: written, next: [`add to ${edited}: ${entryOf(kind, use)}`, ...commands] };
  const before = config === undefined ? undefined : readTextFile(path.join(folder, config));
  await writeWhole(path.join(folder, edited), withPlugin(before, kind, use));
  return { files: [...written, edited], next: commands };
}

/** Writes a package `espalier-plugin-NAME` into a new folder of that name. @throws UsageError if files exist */
export async function newPackage(folder: string, kind: Kind, name: string, force: boolean): Promise<Made> {
  refuseName(kind, name);
  const made = `espalier-plugin-${name}`;
  const files = packageFiles(kind, name);
  await writeNew(path.join(folder, made), files, force);
  return {
    files: files.map(({ name: file }) => path.join(made, file)),
    next: [`cd ${made}`, ...projectCommands(), 'npm publish'],
  };
}

/** What to type next, with the package manager of the project. */
function projectCommands(): string[] {
  const { install, test, run } = packageCommands();
  return [install, test, `${run} espalier train`];
}

function refuseName(kind: Kind, name: string): void {
  if (!/^[a-z][a-z\d]*(?:-[a-z\d]+)*$/.test(name)) {
    throw new UsageError('ESP_USAGE', `${name} is not a valid plugin name: use lower-case letters, digits and hyphens`);
  }
  const names = [name, ...(kind === 'feature' ? [] : [slotKeys[kind].fullName(name)])];
  const taken = names.find((each) => builtInNames().includes(each));
  if (taken !== undefined) {
    throw new UsageError('ESP_USAGE', `espalier already has a plugin named ${taken}; choose another name`);
  }
}
