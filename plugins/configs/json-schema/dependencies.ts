import { existsSync } from 'node:fs';
import path from 'node:path';
import { isSection } from '../../../core/runs.js';
import { readJsonFile } from '../../files/contract.js';

/** Names of the packages that the project of a folder depends on: the nearest package.json upwards says so. */
export function dependenciesOf(cwd: string): string[] {
  for (let folder = path.resolve(cwd); ; folder = path.dirname(folder)) {
    const file = path.join(folder, 'package.json');
    if (existsSync(file)) return namesIn(file);
    if (folder === path.dirname(folder)) return [];
  }
}

function namesIn(file: string): string[] {
  const project: unknown = readJsonFile(file);
  if (!isSection(project)) return [];
  const { dependencies, devDependencies, optionalDependencies } = project;
  return [dependencies, devDependencies, optionalDependencies].filter(isSection).flatMap((each) => Object.keys(each));
}

/** `espalier-plugin-NAME` → `NAME`, `@scope/espalier-plugin-NAME` → `@scope/NAME`; undefined for other packages. */
export function shortName(name: string, kind: 'plugin' | 'preset'): string | undefined {
  const [, scope = '', rest] = new RegExp(`^(@[^/]+/)?espalier-${kind}-(.+)$`).exec(name) ?? [];
  return rest === undefined ? undefined : `${scope}${rest}`;
}
