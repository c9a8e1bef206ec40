import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from '../../../core/index.js';
import { resolveFrom } from '../../../core/paths.js';
import type { PretrainedModel, WeightFormat } from './formats.js';
import { hubFolder, hubModel, hubModels } from './hub.js';
import { hubConfig, neededOptions, readConfig, type PretrainedConfig } from './pretrained-config.js';
import { readPretrained } from './pretrained-weights.js';

const CONFIG = 'config.json';
/** What makes a folder one of weights, without a `config.json` too. */
const WEIGHTS = /\.(?:safetensors|bin|pt|pth|ckpt|h5|msgpack|gguf)(?:\.index\.json)?$/;

/** GPT-2s as Hugging Face's transformers write them, in a folder or on the Hub. */
export const huggingFaceGpt2: WeightFormat = {
  async find(init, { cwd, download }) {
    const local = localPretrained(init, cwd);
    if (local !== undefined) return modelIn(local, path.join(init, CONFIG));
    if (!isHubModel(init, cwd)) return undefined;
    const source = `${init}/${CONFIG} of the Hugging Face Hub`;
    const folder = download === undefined ? hubFolder(init) : await hubModel(init, download);
    if (folder !== undefined) return modelIn(folder, source);
    return pretrainedModel(hubConfig(init), { source }, () => hubModel(init, () => undefined));
  },
};

async function modelIn(folder: string, source: string): Promise<PretrainedModel> {
  const file = path.join(folder, CONFIG);
  return pretrainedModel(await readConfig(file), { source, file }, () => Promise.resolve(folder));
}

function pretrainedModel(
  config: PretrainedConfig,
  origin: PretrainedModel['origin'],
  folder: () => Promise<string>,
): PretrainedModel {
  return {
    origin,
    options: (given) => neededOptions(config, origin.source, given),
    read: async ({ blockSize }) => readPretrained(await folder(), blockSize),
  };
}

/**
 * The folder of a model at that path; undefined if there is none.
 * @throws UsageError for the path of a file, and for a folder with weights but without `config.json`
 */
function localPretrained(init: string, cwd: string): string | undefined {
  const folder = resolveFrom(cwd, init);
  const has = (name: string): boolean => existsSync(path.join(folder, name));
  if (has('manifest.json') || has('checkpoints') || !existsSync(folder)) return undefined;
  if (!statSync(folder).isDirectory()) {
    if (!WEIGHTS.test(folder)) return undefined;
    throw refusal(`init: ${init} is a file`, `name the folder that it is in, with its config.json`);
  }
  if (has('config.json')) return folder;
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

/** True for the name of a Hub model that is not the path of something here. */
function isHubModel(init: string, cwd: string): boolean {
  return hubModels.includes(init) && !existsSync(resolveFrom(cwd, init));
}

function refusal(what: string, todo: string): UsageError {
  return new UsageError('ESP_PRETRAINED', `${what}; ${todo}`);
}
