import path from 'node:path';
import { messageOf, UsageError } from '../../../core/index.js';
import { INDEX_FILE, shardsOf, WEIGHTS_FILE } from '../../checkpoint/contract.js';
import { HubCache } from './hub-cache.js';
import { download, factsOf, NotThere } from './hub-download.js';

/** Layers, heads and width of the Hub models that `init` knows without their owner. */
const SHAPES: Readonly<Record<string, readonly [layers: number, heads: number, width: number]>> = {
  gpt2: [12, 12, 768],
  'gpt2-medium': [24, 16, 1024],
  'gpt2-large': [36, 20, 1280],
  'gpt2-xl': [48, 25, 1600],
};
/** Owner of the models in `SHAPES`. */
const OWNER = 'openai-community';
/** Source: `validate_repo_id` of huggingface_hub. */
const NAME = /^\w[\w.-]{0,95}\/\w[\w.-]{0,95}$/;

const CONFIG_FILE = 'config.json';
const TOKENIZER_FILE = 'tokenizer.json';
/** Files next to a tokenizer.json that say which token ends a text, and how conversations are written. */
const TOKENIZER_CONFIGS = [
  'tokenizer_config.json',
  'special_tokens_map.json',
  'generation_config.json',
  'chat_template.jinja',
];

/** Returns true for a possible name of a Hub model: `owner/name`, or a GPT-2 without its owner. */
export function isHubName(name: string): boolean {
  return Object.hasOwn(SHAPES, name) || NAME.test(name);
}

/**
 * Returns the shape in a Hub model's `config.json`, for commands that download nothing; undefined for models not listed
 * here.
 */
export function hubShape(name: string): Record<string, unknown> | undefined {
  const shape = Object.hasOwn(SHAPES, name) ? SHAPES[name] : undefined;
  if (shape === undefined) return undefined;
  const [n_layer, n_head, n_embd] = shape;
  return { model_type: 'gpt2', vocab_size: 50257, n_positions: 1024, n_layer, n_head, n_embd };
}

/** Returns the folder of a downloaded Hub model, in the cache that Hugging Face's libraries share. */
export function hubFolder(name: string): string | undefined {
  return cacheOf(name).snapshot;
}

/**
 * Returns the folder of a Hub model with `config.json`, safetensors and, if it has one, its `tokenizer.json`, after
 * downloading it if necessary into the cache that Hugging Face's libraries share. An interrupted download is continued,
 * and size and hash are checked before a file gets its name. `HF_ENDPOINT` replaces https://huggingface.co, `HF_TOKEN`
 * is an account's token, `HF_HUB_CACHE` and `HF_HOME` set another cache, and `HF_HUB_OFFLINE` disables downloads.
 * @throws UsageError saying how to do without
 */
export async function hubModel(name: string, log: (line: string) => void): Promise<string> {
  const there = hubFolder(name);
  if (there !== undefined) return there;
  const endpoint = (process.env['HF_ENDPOINT'] ?? 'https://huggingface.co').replace(/\/$/, '');
  let url = `${endpoint}/${repositoryOf(name)}`;
  const cache = cacheOf(name);
  let commit: string | undefined;
  const get = async (file: string): Promise<string> => {
    url = `${endpoint}/${repositoryOf(name)}/resolve/main/${file}`;
    const facts = await factsOf(url, file);
    await download(url, facts, cache.blob(facts), log);
    if (facts.commit !== (commit ?? facts.commit)) throw new Error('the model has changed in the meantime');
    commit = facts.commit;
    return cache.place(facts);
  };
  try {
    if (/^(?:1|on|yes|true)$/i.test(process.env['HF_HUB_OFFLINE'] ?? '')) throw new Error('HF_HUB_OFFLINE is set');
    const snapshot = await get(CONFIG_FILE);
    if (!(await isThere(() => get(WEIGHTS_FILE)))) {
      const index = path.join(await get(INDEX_FILE), INDEX_FILE);
      for (const shard of await shardsOf(index)) await get(shard);
    }
    if (await isThere(() => get(TOKENIZER_FILE))) {
      for (const file of TOKENIZER_CONFIGS) await isThere(() => get(file));
      log(`tokenizer of ${name}: ${path.join(snapshot, TOKENIZER_FILE)}`);
    }
    await cache.setMain(path.basename(snapshot));
    return snapshot;
  } catch (thrown) {
    throw new UsageError(
      'ESP_PRETRAINED_DOWNLOAD',
      `init: ${name} is not a folder here, and cannot be downloaded from ${url} into ${cache.folder}: ${reasonOf(thrown)}; try again, or put ${CONFIG_FILE} and ${WEIGHTS_FILE} of ${name} into a folder and set init to its path`,
      { cause: thrown },
    );
  }
}

async function isThere(get: () => Promise<unknown>): Promise<boolean> {
  try {
    await get();
    return true;
  } catch (thrown) {
    if (thrown instanceof NotThere) return false;
    throw thrown;
  }
}

function cacheOf(name: string): HubCache {
  return new HubCache(repositoryOf(name));
}

function repositoryOf(name: string): string {
  return name.includes('/') ? name : `${OWNER}/${name}`;
}

function reasonOf(thrown: unknown): string {
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? `: ${thrown.cause.message}` : '';
  return messageOf(thrown) + cause;
}
