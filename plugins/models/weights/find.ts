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
/** What makes a folder one of weights, without a `config.json` too. */
const WEIGHTS = /\.(?:safetensors|bin|pt|pth|ckpt|h5|msgpack|gguf)(?:\.index\.json)?$/;

/** A folder of weights, or a model of the Hub that becomes one. */
export interface FoundFolder {
  /** Where its `config.json` is, as `explain` shows it; `file` is an absolute path. */
  readonly origin: { readonly source: string; readonly file?: string };
  readonly config: Described;
  /** The folder with the weights, downloaded if they are not here yet. */
  folder(): Promise<string>;
}

/** What `init` is relative to, and whether anything may be downloaded. */
export interface FindRequest {
  readonly cwd: string;
  /** Called with lines of progress while downloading; without it nothing is downloaded. */
  readonly download?: ((line: string) => void) | undefined;
}

/**
 * Finds the folder of weights that `init` names; undefined if it names a checkpoint, a run, or nothing that is here.
 * @throws UsageError for what is nearly one, and for a model of the Hub that cannot be had, with what to do
 */
export async function findFolder(init: string, { cwd, download }: FindRequest): Promise<FoundFolder | undefined> {
  const local = localFolder(init, cwd);
  if (local !== undefined) return folderAt(local, path.join(init, CONFIG));
  if (!isHubName(init) || isPath(init, cwd)) return undefined;
  const source = `${init}/${CONFIG} of the Hugging Face Hub`;
  const folder = download === undefined ? hubFolder(init) : await hubModel(init, download);
  if (folder !== undefined) return folderAt(folder, source);
  const config = hubShape(init);
  if (config !== undefined) return { origin: { source }, config, folder: () => hubModel(init, () => undefined) };
  throw refusal(
    `init: ${init} is no path here, and no model of the Hugging Face Hub that is on this machine`,
    `correct the path, or download it: \`espalier train\` does, and so does \`hf download ${init}\``,
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
    throw new Error('it is no map of keys');
  } catch (thrown) {
    throw new UsageError(
      'ESP_PRETRAINED',
      `${file} cannot be read: ${messageOf(thrown)}; put the one of the model there`,
      { cause: thrown },
    );
  }
}

/**
 * The folder of a model at that path; undefined if there is none.
 * @throws UsageError for the path of a file, and for a folder with weights but without `config.json`
 */
function localFolder(init: string, cwd: string): string | undefined {
  const folder = resolveFrom(cwd, init);
  const has = (name: string): boolean => existsSync(path.join(folder, name));
  if (has('manifest.json') || has('checkpoints') || !existsSync(folder)) return undefined;
  if (!statSync(folder).isDirectory()) {
    if (!WEIGHTS.test(folder)) return undefined;
    throw refusal(`init: ${init} is a file`, `name the folder that it is in, with its config.json`);
  }
  if (has(CONFIG)) return folder;
  const names = readdirSync(folder);
  const [revision] = names.includes('snapshots') ? readdirSync(path.join(folder, 'snapshots')) : [];
  if (revision !== undefined) {
    throw refusal(
      `init: ${init} is a model in a cache`,
      `name one version of it: ${path.join(init, 'snapshots', revision)}`,
    );
  }
  const weights = names.find((name) => WEIGHTS.test(name));
  if (weights === undefined) return undefined;
  throw refusal(`init: ${init} has ${weights} but no config.json`, 'put the one of the model beside it');
}

/** True where `init` is something here, or would be in a folder that is here or that runs have: `runs/book`, mistyped. */
function isPath(init: string, cwd: string): boolean {
  const [first = ''] = init.split('/');
  if (first === init) return existsSync(resolveFrom(cwd, init));
  return first === path.dirname(defaultRunFolder('run')) || existsSync(resolveFrom(cwd, first));
}
