import path from 'node:path';
import type { NewFile } from '../shared/written.js';

/** The user's choices for a new config. */
export interface Choices {
  readonly preset: string;
  /** What to train on; undefined for the preset's data. */
  readonly data: { readonly text: string } | { readonly dir: string } | undefined;
  /** Name of the run. */
  readonly name: string;
}

/** The schema file that a new config refers to. */
export const SCHEMA_FILE = 'espalier.schema.json';

/** Returns a config in YAML with comments on its keys. */
export function yamlConfig({ preset, data, name }: Choices): NewFile {
  const source =
    data === undefined
      ? "# Training data: a text, or a folder written by `espalier prepare`. Default: the preset's.\n# data: { text: book.txt }"
      : `# Training data: a text, or a folder written by \`espalier prepare\` (dir).\ndata: { ${entry(data)} }`;
  return {
    name: 'espalier.config.yaml',
    text: `# yaml-language-server: $schema=./${SCHEMA_FILE}
# $schema: ./${SCHEMA_FILE}

# Presets that this config builds on; \`espalier presets\` lists them.
extends: [${preset}]

# The run writes its files to runs/NAME.
run: { name: ${name} }

${source}

# Settings that override the preset's; \`espalier explain\` prints every setting and its source.
# train: { max_iters: 2000, batch_size: 12 }
# model: { n_layer: 4, n_head: 4, n_embd: 128, block_size: 64 }
# optimizer: { learning_rate: 1e-3 }

# Features; \`espalier plugins\` lists them, \`espalier new plugin NAME\` creates your own.
# plugins:
#   csv: true
`,
  };
}

/** Returns the same config in TypeScript. */
export function typescriptConfig({ preset, data, name }: Choices): NewFile {
  const source =
    data === undefined
      ? "  // data: { text: 'book.txt' },"
      : `  data: { ${entry(data, (text) => `'${text.replaceAll(/[\\']/g, '\\$&')}'`)} },`;
  return {
    name: 'espalier.config.ts',
    text: `import { defineConfig } from 'espalier';

export default defineConfig({
  // Presets that this config builds on; \`espalier presets\` lists them.
  extends: '${preset}',
  // The run writes its files to runs/NAME.
  run: { name: '${name}' },
  // Training data: a text, or a folder written by \`espalier prepare\` (dir).
${source}
  // Settings that override the preset's; \`espalier explain\` prints every setting and its source.
  // train: { max_iters: 2000, batch_size: 12 },
  // model: { use: 'gpt', n_layer: 4, n_head: 4, n_embd: 128, block_size: 64 },
  // Features; \`espalier plugins\` lists them, \`espalier new plugin NAME\` creates your own.
  // plugins: { csv: true },
});
`,
  };
}

/** The `.gitignore` of a new folder. */
export const ignored: NewFile = { name: '.gitignore', text: 'node_modules/\ndist/\nruns/\n' };

/** Returns a valid run name made from a folder's name. */
export function runName(folder: string): string {
  const plain = path
    .basename(path.resolve(folder))
    .replaceAll(/[^\w.-]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '');
  return /^[a-z_]/i.test(plain) ? plain : `run-${plain}`.replace(/-$/, '');
}

function entry(data: NonNullable<Choices['data']>, quoted: (text: string) => string = JSON.stringify): string {
  return 'text' in data ? `text: ${quoted(data.text)}` : `dir: ${quoted(data.dir)}`;
}
