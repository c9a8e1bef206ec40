import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf, UsageError } from '../../../core/index.js';
import { retried } from '../../files/contract.js';
import { HubCache, type HubFile } from './hub-cache.js';

/** Layers, heads and width of the models of the Hugging Face Hub that `init` knows by name. */
const SHAPES: Readonly<Record<string, readonly [layers: number, heads: number, width: number]>> = {
  gpt2: [12, 12, 768],
  'gpt2-medium': [24, 16, 1024],
  'gpt2-large': [36, 20, 1280],
  'gpt2-xl': [48, 25, 1600],
};

/** Models of the Hugging Face Hub that `init` knows by name. */
export const hubModels = Object.keys(SHAPES);

const FILES = ['config.json', 'model.safetensors'];
const ETAG = /^(?:W\/)?"?(\w[\w.-]{0,199})"?$/;
const COMMIT = /^[0-9a-f]{40}$/;
const [SHA256_DIGITS, SHA1_DIGITS] = [64, 40];
/** Places on the Hub that a name may lead through. */
const MAX_HOPS = 5;

/** What the `config.json` of a Hub model says of its shape, for commands that download nothing. */
export function hubShape(name: string): Record<string, unknown> {
  const [n_layer, n_head, n_embd] = SHAPES[name] ?? [];
  return { model_type: 'gpt2', vocab_size: 50257, n_positions: 1024, n_layer, n_head, n_embd };
}

/** The folder of a Hub model that is on this machine: in the cache that Hugging Face's libraries share. */
export function hubFolder(name: string): string | undefined {
  return cacheOf(name).snapshot;
}

/**
 * The folder of a Hub model, downloaded into the cache that Hugging Face's libraries share where it is not there yet. An
 * interrupted download is resumed, and size and hash are compared before a file gets its name.
 * `HF_ENDPOINT` is another address than https://huggingface.co; `HF_HUB_CACHE` and `HF_HOME` name another cache;
 * `HF_HUB_OFFLINE` downloads nothing.
 * @throws UsageError saying how to do without
 */
export async function hubModel(name: string, log: (line: string) => void): Promise<string> {
  const there = hubFolder(name);
  if (there !== undefined) return there;
  const endpoint = (process.env['HF_ENDPOINT'] ?? 'https://huggingface.co').replace(/\/$/, '');
  let url = `${endpoint}/${repositoryOf(name)}`;
  const cache = cacheOf(name);
  try {
    if (/^(?:1|on|yes|true)$/i.test(process.env['HF_HUB_OFFLINE'] ?? '')) throw new Error('HF_HUB_OFFLINE is set');
    const placed: { commit: string; snapshot: string }[] = [];
    for (const file of FILES) {
      url = `${endpoint}/${repositoryOf(name)}/resolve/main/${file}`;
      const facts = await factsOf(url, file);
      await download(url, facts, cache.blob(facts), log);
      placed.push({ commit: facts.commit, snapshot: await cache.place(facts) });
    }
    const [first, ...others] = placed;
    if (first === undefined || others.some(({ commit }) => commit !== first.commit)) {
      throw new Error('the model has changed in the meantime');
    }
    await cache.setMain(first.commit);
    return first.snapshot;
  } catch (thrown) {
    throw new UsageError(
      'ESP_PRETRAINED_DOWNLOAD',
      `${url} cannot be downloaded into ${cache.folder}: ${reasonOf(thrown)}; try again, or put ${FILES.join(' and ')} of ${name} into a folder yourself and name it with init`,
      { cause: thrown },
    );
  }
}

function cacheOf(name: string): HubCache {
  return new HubCache(repositoryOf(name));
}

function repositoryOf(name: string): string {
  return `openai-community/${name}`;
}

/** The Hub's own facts are in the first answer that does not lead to another place on the Hub. */
async function factsOf(url: string, name: string): Promise<HubFile> {
  let answer = await fetch(url, { method: 'HEAD', redirect: 'manual' });
  for (let hops = 0; hops < MAX_HOPS && answer.headers.get('location')?.startsWith('/') === true; hops++) {
    const next = new URL(answer.headers.get('location') ?? '', url);
    answer = await fetch(next, { method: 'HEAD', redirect: 'manual' });
  }
  if (answer.status >= 400) throw new Error(`the server answered ${String(answer.status)}`);
  const etag = ETAG.exec(answer.headers.get('x-linked-etag') ?? answer.headers.get('etag') ?? '')?.[1];
  if (etag === undefined) throw new Error('the server does not say which version it has (no ETag)');
  const commit = COMMIT.exec(answer.headers.get('x-repo-commit') ?? '')?.[0] ?? 'main';
  return { name, commit, etag };
}

/** @param to what it becomes when it is whole; until then `.incomplete`, as Hugging Face's libraries have it */
async function download(url: string, { etag }: HubFile, to: string, log: (line: string) => void): Promise<void> {
  if (existsSync(to)) return;
  const part = `${to}.incomplete`;
  const had = existsSync(part) ? (await stat(part)).size : 0;
  const range = had > 0 ? { range: `bytes=${String(had)}-` } : {};
  // Packed on the way, neither sizes nor places in the file would be its own.
  const answer = await fetch(url, { headers: { 'accept-encoding': 'identity', ...range } });
  // 416: there is nothing after what is there; the checks below tell whether it is whole.
  if (!answer.ok && answer.status !== 416) throw new Error(`the server answered ${String(answer.status)}`);
  const from = answer.status === 206 ? had : 0;
  const length = answer.headers.get('content-length');
  const size = answer.status === 416 || length === null ? undefined : from + Number(length);
  if (answer.status !== 416 && answer.body !== null) {
    log(`downloading ${url}${from > 0 ? `, from byte ${String(from)}` : ''}`);
    const body = Readable.fromWeb(answer.body);
    await pipeline(body, logged(from, size, log), createWriteStream(part, { flags: from > 0 ? 'a' : 'w' }));
  }
  const got = (await stat(part)).size;
  if (size !== undefined && got !== size) throw new Error(`it ended at byte ${String(got)} of ${String(size)}`);
  if ((etag.length === SHA256_DIGITS || etag.length === SHA1_DIGITS) && (await hashOf(part, got, etag)) !== etag) {
    await rm(part);
    throw new Error(
      `it is not what the server says (its ${etag.length === SHA256_DIGITS ? 'SHA-256' : 'SHA-1'} differs)`,
    );
  }
  await retried(() => rename(part, to));
}

/** Passes bytes through and logs each tenth. */
function logged(from: number, size: number | undefined, log: (line: string) => void): Transform {
  let done = from;
  let tenth = size === undefined ? 0 : Math.floor((10 * from) / size);
  return new Transform({
    transform(piece: Buffer, _encoding, next) {
      done += piece.length;
      const now = size === undefined ? 0 : Math.floor((10 * done) / size);
      if (now > tenth) log(`${(done / 1e6).toFixed(1)} MB, ${String(now * 10)}%`);
      tenth = now;
      next(null, piece);
    },
  });
}

/** Of the kind that the etag is: SHA-256 of the content, or git's SHA-1 of it as a blob. */
async function hashOf(file: string, bytes: number, { length }: string): Promise<string> {
  const hash = createHash(length === SHA256_DIGITS ? 'sha256' : 'sha1');
  if (length === SHA1_DIGITS) hash.update(`blob ${String(bytes)}\0`);
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

function reasonOf(thrown: unknown): string {
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? `: ${thrown.cause.message}` : '';
  return messageOf(thrown) + cause;
}
