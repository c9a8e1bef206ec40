import path from 'node:path';
import { z } from 'zod';
import { UsageError, messageOf } from '../../../core/errors.js';
import { readTextFile } from '../../files/contract.js';
import type { LoadedCheckpoint, StoredTensor } from '../../../core/index.js';
import { readSafetensors } from '../safetensors/read.js';
import {
  CHECKPOINT_FORMAT,
  compareFiles,
  damaged,
  OPTIMIZER_TENSORS,
  PLUGIN_TENSORS,
  sizeOf,
  type FileFacts,
} from './files.js';

const manifestSchema = z.object({
  format: z.int(),
  files: z.record(z.string().regex(/^\w[\w.-]*$/), z.object({ bytes: z.int().min(0), sha256: z.string() })),
});

const shared = {
  espalier: z.string(),
  run: z.object({
    iteration: z.int().min(0),
    tokens: z.int().min(0),
    bestValLoss: z.number().nullable(),
    valLoss: z.number().nullable().optional(),
    measured: z.record(z.string(), z.number()).optional(),
    owesEvaluation: z.boolean().default(false),
    owesCheckpoints: z.array(z.enum(['latest', 'best'])).default([]),
    ending: z.strictObject({ reason: z.string(), plugin: z.string().nullable() }).nullable().default(null),
  }),
  random: z.record(z.string(), z.int().min(0)),
  seed: z.int(),
  tokenizer: z.looseObject({ tokenizer: z.string() }).nullable(),
  config: z.record(z.string(), z.unknown()),
};

/** In format 1, plugins' states had no version and tunables no configured value. */
const format1 = z
  .object({
    ...shared,
    format: z.literal(1),
    tunables: z.record(z.string(), z.number()).default({}),
    plugins: z.record(z.string(), z.unknown()),
  })
  .transform((state) => ({
    ...state,
    tunables: Object.fromEntries(Object.entries(state.tunables).map(([name, value]) => [name, { value }])),
    plugins: Object.fromEntries(Object.entries(state.plugins).map(([name, of]) => [name, { version: 1, state: of }])),
    given: {},
  }));

const pluginStates = z.record(z.string(), z.object({ version: z.int().min(1), state: z.unknown().optional() }));

const format2 = z.object({
  ...shared,
  format: z.literal(CHECKPOINT_FORMAT),
  engine: z.string().optional(),
  ranks: z.int().min(1).optional(),
  cwd: z.string().optional(),
  tunables: z.record(z.string(), z.object({ value: z.number(), configured: z.number().optional() })),
  plugins: pluginStates,
  others: z.record(z.string(), z.object({ random: shared.random, plugins: pluginStates })).optional(),
  given: z.record(z.string(), z.record(z.string(), z.unknown())),
});

const stateSchema = z.discriminatedUnion('format', [format1, format2]);

/** A checkpoint's JSON files are a few kilobytes; refuse to read much larger ones. */
const MAX_JSON_BYTES = 1 << 27;

/** Prefix of plain numbers, which `optimizer.safetensors` stores as tensors of one element. */
export const SCALAR_PREFIX = 'scalar.';

/**
 * Returns a tensor's name in `plugins.safetensors`. A slash in the plugin's name is escaped: one separates both names.
 */
export function pluginTensorName(plugin: string, name: string): string {
  return `${plugin.replaceAll('%', '%25').replaceAll('/', '%2F')}/${name}`;
}

function splitTensorName(full: string): [plugin: string, name: string] {
  const slash = full.indexOf('/');
  return [full.slice(0, slash).replaceAll('%2F', '/').replaceAll('%25', '%'), full.slice(slash + 1)];
}

/** A checkpoint that is read and compared with its manifest at the same time. */
export interface OpenedCheckpoint {
  /**
   * Resolves once the checkpoint is verified.
   * @throws UsageError naming the file that is missing, damaged or too new
   */
  readonly whole: Promise<void>;
  /** Returns what was read. Await `whole` first. */
  readonly content: () => Promise<LoadedCheckpoint>;
}

/** Which parts of a checkpoint to read. */
export interface ReadOptions {
  /** False skips the optimizer's tensors; only the size of their file is then compared. */
  readonly optimizer?: boolean;
}

/** Starts reading a checkpoint folder and comparing it with its manifest. */
export function openCheckpoint(folder: string, { optimizer = true }: ReadOptions = {}): OpenedCheckpoint {
  const manifest = readManifest(folder);
  const whole = manifest.then((files) =>
    compareFiles(folder, files, (name) => optimizer || name !== OPTIMIZER_TENSORS),
  );
  const content = manifest.then(async (files): Promise<LoadedCheckpoint> => {
    const { tensorMemory } = await import('../../engines/contract.js');
    const tensorsOf = async (name: string, isThere: boolean): Promise<Map<string, StoredTensor>> =>
      isThere ? readSafetensors(path.join(folder, name), undefined, tensorMemory) : new Map<string, StoredTensor>();
    const weights = await tensorsOf('model.safetensors', true);
    return {
      ...loadedTensors(
        await tensorsOf(OPTIMIZER_TENSORS, optimizer),
        await tensorsOf(PLUGIN_TENSORS, Object.hasOwn(files, PLUGIN_TENSORS)),
      ),
      path: folder,
      weights,
      ...(await readDescription(folder)),
    };
  });
  // If the checkpoint is damaged, nobody awaits the content: its rejection must not count as unhandled.
  content.catch(() => undefined);
  return { whole, content: () => content };
}

/**
 * Reads a checkpoint folder and verifies it.
 * @throws UsageError naming the file that is missing, damaged or newer than this package
 */
export async function readCheckpoint(folder: string, options?: ReadOptions): Promise<LoadedCheckpoint> {
  const { whole, content } = openCheckpoint(folder, options);
  await whole;
  return content();
}

/** Groups the tensors of the optimizer's and the plugins' files. */
export function loadedTensors(
  optimizer: ReadonlyMap<string, StoredTensor>,
  ofPlugins: ReadonlyMap<string, StoredTensor>,
): Pick<LoadedCheckpoint, 'optimizer' | 'plugins'> {
  const tensors = new Map<string, StoredTensor>();
  const scalars: Record<string, number> = {};
  for (const [name, tensor] of optimizer) {
    if (name.startsWith(SCALAR_PREFIX)) scalars[name.slice(SCALAR_PREFIX.length)] = tensor.values[0] ?? 0;
    else tensors.set(name, tensor);
  }
  const plugins = new Map<string, Map<string, StoredTensor>>();
  for (const [full, tensor] of ofPlugins) {
    const [plugin, name] = splitTensorName(full);
    const own = plugins.get(plugin) ?? new Map<string, StoredTensor>();
    plugins.set(plugin, own.set(name, tensor));
  }
  return { optimizer: { tensors, scalars }, plugins };
}

/** Reads only the JSON files of a checkpoint, without comparing them with the manifest. @throws UsageError */
export async function readDescription(folder: string): Promise<Pick<LoadedCheckpoint, 'model' | 'state'>> {
  const state = await readJson(path.join(folder, 'state.json'));
  return description(folder, { state, model: () => readJson(path.join(folder, 'config.json')) });
}

/**
 * Checks the parsed JSON files of a checkpoint.
 * @param folder for messages
 * @throws UsageError when they are not valid
 */
export async function description(
  folder: string,
  parts: { readonly state: unknown; readonly model: () => unknown },
): Promise<Pick<LoadedCheckpoint, 'model' | 'state'>> {
  const state = stateSchema.safeParse(parts.state);
  if (!state.success) throw damaged(folder, `state.json is not valid: ${z.prettifyError(state.error)}`);
  const model = z.record(z.string(), z.unknown()).safeParse(await parts.model());
  if (!model.success) throw damaged(folder, 'config.json is not a JSON object');
  return { model: model.data, state: state.data };
}

/** Compares every file with the manifest. @throws UsageError naming the first that differs */
export async function verifyCheckpoint(folder: string): Promise<void> {
  await compareFiles(folder, await readManifest(folder));
}

/** Reads the files that the manifest lists. @throws UsageError when it is not valid, or of a newer format */
export async function readManifest(folder: string): Promise<Record<string, FileFacts>> {
  const content = await readJson(path.join(folder, 'manifest.json'));
  const { data: version } = z.looseObject({ format: z.int() }).safeParse(content);
  if (version !== undefined && version.format > CHECKPOINT_FORMAT) {
    throw new UsageError(
      'ESP_CHECKPOINT_NEWER',
      `checkpoint ${folder} has format ${String(version.format)}, newer than ${String(CHECKPOINT_FORMAT)}: use a newer espalier`,
    );
  }
  const parsed = manifestSchema.safeParse(content);
  if (!parsed.success) throw damaged(folder, 'manifest.json is not valid');
  for (const required of ['model.safetensors', 'config.json', OPTIMIZER_TENSORS, 'state.json']) {
    if (!Object.hasOwn(parsed.data.files, required)) throw damaged(folder, `its manifest does not list ${required}`);
  }
  return parsed.data.files;
}

/** Reads a JSON file of a checkpoint. @throws UsageError naming file and folder */
async function readJson(file: string): Promise<unknown> {
  const fail = (what: string): UsageError => damaged(path.dirname(file), `${path.basename(file)} ${what}`);
  if ((await sizeOf(file)) > MAX_JSON_BYTES) throw fail(`is over ${String(MAX_JSON_BYTES)} bytes`);
  let text: string;
  try {
    text = readTextFile(file);
  } catch (thrown) {
    throw fail(`cannot be read: ${messageOf(thrown)}`);
  }
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw fail(`is not JSON: ${messageOf(thrown)}`);
  }
}
