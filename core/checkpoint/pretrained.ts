import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from '../errors.js';
import { resolveFrom } from '../files/home.js';
import { hubModel, hubModels } from './hub.js';

/** What makes a folder one of weights, without a `config.json` too. */
const WEIGHTS = /\.(?:safetensors|bin|pt|pth|ckpt|h5|msgpack|gguf)(?:\.index\.json)?$/;

/**
 * The folder of a Hugging Face model that `init` names, downloaded if need be; undefined where it names none.
 * @throws UsageError for the path of a file, and for a folder with weights but without `config.json`
 */
export async function findPretrained(
  init: string,
  cwd: string,
  log: (line: string) => void,
): Promise<string | undefined> {
  const local = localPretrained(init, cwd);
  if (local !== undefined) return local;
  return isHubModel(init, cwd) ? hubModel(init, log) : undefined;
}

/** The folder where it is on this machine under that path. @throws as `findPretrained` does */
export function localPretrained(init: string, cwd: string): string | undefined {
  if (init === 'scratch' || init === 'resume') return undefined;
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

/** True for a name that stands for a model of the Hub, and not for what lies in the folder. */
export function isHubModel(init: string, cwd: string): boolean {
  return hubModels.includes(init) && !existsSync(resolveFrom(cwd, init));
}

function refusal(what: string, todo: string): UsageError {
  return new UsageError('ESP_PRETRAINED', `${what}; ${todo}`);
}
