import type { NewFile } from '../shared/written.js';
import { version } from '../../../core/installation.js';
import { entryOf, withPlugin } from './config-entry.js';
import { pluginFiles, templateFile, type Kind } from './templates.js';

const COMPILER = {
  target: 'es2022',
  module: 'nodenext',
  strict: true,
  experimentalDecorators: true,
  types: ['node'],
};

/** Tools that check and test a plugin. */
const TOOLS = { espalier: `^${version}`, '@types/node': '^20.19.0', typescript: '^6.0.3' };

/** Returns the files that a folder with a plugin needs. */
export function projectFiles(): readonly NewFile[] {
  return [
    json('tsconfig.json', { compilerOptions: { ...COMPILER, outDir: 'dist' }, exclude: ['dist', 'runs'] }),
    json('package.json', {
      private: true,
      type: 'module',
      scripts: { test: 'tsc && node --test dist/*.test.js' },
      devDependencies: TOOLS,
    }),
  ];
}

/** Returns the files of a package `espalier-plugin-NAME`, ready to publish. */
export function packageFiles(kind: Kind, name: string): readonly NewFile[] {
  const { plugin, test } = pluginFiles(kind, name);
  const filled = (text: string): string =>
    text.replaceAll('my-plugin', name).replaceAll('my-entry', entryOf(kind, name));
  return [
    { name: `src/${name}.ts`, text: plugin },
    { name: `src/${name}.test.ts`, text: test },
    json('package.json', {
      name: `espalier-plugin-${name}`,
      version: '0.1.0',
      description: `A plugin for espalier: ${name}`,
      keywords: ['espalier', 'espalier-plugin', ...(kind === 'feature' ? [] : [`espalier-${kind}`])],
      license: 'MIT',
      type: 'module',
      exports: { '.': { types: `./dist/${name}.d.ts`, default: `./dist/${name}.js` } },
      files: ['dist', '!dist/*.test.*'],
      scripts: { build: 'tsc', test: 'tsc && node --test dist/*.test.js', prepare: 'tsc' },
      peerDependencies: { espalier: `^${version}` },
      devDependencies: TOOLS,
      engines: { node: '>=20.19' },
    }),
    json('tsconfig.json', {
      compilerOptions: { ...COMPILER, declaration: true, rootDir: 'src', outDir: 'dist' },
      include: ['src'],
    }),
    { name: 'espalier.config.yaml', text: withPlugin(undefined, kind, `./src/${name}.ts`) },
    { name: 'README.md', text: filled(templateFile('package/README.md')) },
    { name: '.github/workflows/ci.yml', text: templateFile('package/ci.yml') },
    { name: '.gitignore', text: 'dist/\nnode_modules/\nruns/\n' },
  ];
}

function json(name: string, value: unknown): NewFile {
  return { name, text: `${JSON.stringify(value, null, 2)}\n` };
}
