import path from 'node:path';
import type { NewFile } from '../shared/written.js';

/** What a new config is made of. */
export interface Choices {
  readonly preset: string;
  /** What to train on; undefined for what the preset has. */
  readonly data: { readonly text: string } | { readonly dir: string } | undefined;
  /** Name of the run. */
  readonly name: string;
}

/** The file that a config names as its schema. */
export const SCHEMA_FILE = 'espalier.schema.json';

/** A config in YAML, with what its keys are for. */
export function yamlConfig({ preset, data, name }: Choices): NewFile {
  const source =
    data === undefined
      ? '# What to train on: a text, or a folder that `espalier prepare` wrote. Without it, what the preset has.\n# data: { text: book.txt }'
      : `# What to train on: a text, or a folder that \`espalier prepare\` wrote (dir).\ndata: { ${entry(data)} }`;
  return {
    name: 'espalier.config.yaml',
    text: `# yaml-language-server: $schema=./${SCHEMA_FILE}
# $schema: ./${SCHEMA_FILE}

# Presets that this config is laid over; \`espalier presets\` lists them.
extends: [${preset}]

# The run's files are in runs/NAME.
run: { name: ${name} }

${source}

# Settings over those of the preset; \`espalier explain\` prints all, and where each comes from.
# train: { max_iters: 2000, batch_size: 12 }
# model: { n_layer: 4, n_head: 4, n_embd: 128, block_size: 64 }
# optimizer: { learning_rate: 1e-3 }

# Features; \`espalier plugins\` lists them. \`espalier new plugin NAME\` writes one of your own.
# plugins:
#   csv: true
`,
  };
}

/** The same in TypeScript. */
export function typescriptConfig({ preset, data, name }: Choices): NewFile {
  const source =
    data === undefined
      ? "  // data: { text: 'book.txt' },"
      : `  data: { ${entry(data, (text) => `'${text.replaceAll(/[\\']/g, '\\$&')}'`)} },`;
  return {
    name: 'espalier.config.ts',
    text: `import { defineConfig } from 'espalier';

export default defineConfig({
  // Presets that this config is laid over; \`espalier presets\` lists them.
  extends: '${preset}',
  // The run's files are in runs/NAME.
  run: { name: '${name}' },
  // What to train on: a text, or a folder that \`espalier prepare\` wrote (dir).
${source}
  // Settings over those of the preset; \`espalier explain\` prints all, and where each comes from.
  // train: { max_iters: 2000, batch_size: 12 },
  // model: { use: 'gpt', n_layer: 4, n_head: 4, n_embd: 128, block_size: 64 },
  // Features; \`espalier plugins\` lists them. \`espalier new plugin NAME\` writes one of your own.
  // plugins: { csv: true },
});
`,
  };
}

/** What a repository leaves out. */
export const ignored: NewFile = { name: '.gitignore', text: 'node_modules/\ndist/\nruns/\n' };

/** The name of a folder as that of a run. */
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
