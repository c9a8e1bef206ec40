import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { messageOf, UsageError } from '../../../core/index.js';
import { resolveFrom } from '../../../core/paths.js';
import { defaultRunFolder } from '../../../core/runs.js';
import type { Described } from './formats.js';
import { hubFolder, hubModel, hubShape, isHubName } from './hub.js';
import { refusal } from './refusal.js';
import { readSmallJson } from './small-json.js';

const CONFIG = 'config.json';
/** Files that mark a folder of weights, even without a `config.json`. */
const WEIGHTS = /\.(?:safetensors|bin|pt|pth|ckpt|h5|msgpack|gguf)(?:\.index\.json)?$/;
/** A name without folders. */
const BARE_NAME = /^\w[\w.-]*$/;

/** A folder of weights, or a Hub model to download. */
export interface FoundFolder {
  /** Origin of its `config.json`, for `explain`; `file` is absolute. */
  readonly origin: { readonly source: string; readonly file?: string };
  readonly config: Described;
  /** Returns the folder with the weights, after downloading them if necessary. */
  folder(): Promise<string>;
}

/** The folder that `init` is relative to, and whether downloads are allowed. */
export interface FindRequest {
  readonly cwd: string;
  /** Called with progress lines while downloading; without it, nothing is downloaded. */
  readonly download?: ((line: string) => void) | undefined;
}

/**
 * Finds the folder of weights that `init` names; undefined if it names a checkpoint, a run, or nothing that exists.
 * @throws UsageError for near misses, and for a Hub model that is not available, with what to do
 */
export async function findFolder(init: string, { cwd, download }: FindRequest): Promise<FoundFolder | undefined> {
  const local = localFolder(init, cwd);
  if (local !== undefined) return folderAt(local, path.join(init, CONFIG));
  if (isPath(init, cwd)) return undefined;
  if (!isHubName(init)) {
    if (!BARE_NAME.test(init)) return undefined;
    throw refusal(
      `init: ${init} is neither an existing path nor a known model`,
      `correct the path, or give a model of the Hugging Face Hub with its owner, such as openai-community/gpt2`,
    );
  }
  const source = `${init}/${CONFIG} of the Hugging Face Hub`;
  const folder = download === undefined ? hubFolder(init) : await hubModel(init, download);
  if (folder !== undefined) return folderAt(folder, source);
  const config = hubShape(init);
  if (config !== undefined) return { origin: { source }, config, folder: () => hubModel(init, () => undefined) };
  throw refusal(
    `init: ${init} is neither an existing path nor a downloaded model of the Hugging Face Hub`,
    `correct the path, or download the model with \`espalier train\` or \`hf download ${init}\``,
  );
}

async function folderAt(folder: string, source: string): Promise<FoundFolder> {
  const file = path.join(folder, CONFIG);
  return { origin: { source, file }, config: await readConfig(file), folder: () => Promise.resolve(folder) };
}

async function readConfig(file: string): Promise<Described> {
  try {
    const content = await readSmallJson(file);
    if (typeof content === 'object' && content !== null && !Array.isArray(content)) return { ...content };
    throw new Error('it is not a map of keys');
  } catch (thrown) {
    throw new UsageError(
      'ESP_PRETRAINED',
      `${file} cannot be read: ${messageOf(thrown)}; replace it with the model’s own`,
      { cause: thrown },
    );
  }
}

/**
 * Returns the model folder at a path; undefined if there is none.
 * @throws UsageError for the path of a file, and for a folder with weights but without `config.json`
 */
function localFolder(init: string, cwd: string): string | undefined {
  const folder = resolveFrom(cwd, init);
  const has = (name: string): boolean => existsSync(path.join(folder, name));
  if (has('manifest.json') || has('checkpoints') || !existsSync(folder)) return undefined;
  if (!statSync(folder).isDirectory()) {
    if (!WEIGHTS.test(folder)) return undefined;
    throw refusal(`init: ${init} is a file`, `give the folder that it is in, with its config.json`);
  }
  if (has(CONFIG)) return folder;
  const names = readdirSync(folder);
  const [revision] = names.includes('snapshots') ? readdirSync(path.join(folder, 'snapshots')) : [];
  if (revision !== undefined) {
    throw refusal(
      `init: ${init} is a model’s folder in a cache`,
      `give one version in it: ${path.join(init, 'snapshots', revision)}`,
    );
  }
  const weights = names.find((name) => WEIGHTS.test(name));
  if (weights === undefined) return undefined;
  throw refusal(`init: ${init} has ${weights} but no config.json`, 'put the model’s config.json next to it');
}

/**
 * Returns true if `init` is an existing path, or lies in an existing folder or where runs are: `runs/book`, mistyped.
 */
function isPath(init: string, cwd: string): boolean {
  const [first = ''] = init.split('/');
  if (first === init) return existsSync(resolveFrom(cwd, init));
  return first === path.dirname(defaultRunFolder('run')) || existsSync(resolveFrom(cwd, first));
}
