import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { cacheFolder } from '../cache-folder.js';
import { messageOf, UsageError } from '../errors.js';
import { makeFolder } from '../files/make-folder.js';
import { retried } from '../files/retried.js';

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
const SHA256 = /^"?([0-9a-f]{64})"?$/;

/** What the `config.json` of a Hub model says of its shape, for commands that download nothing. */
export function hubShape(name: string): Record<string, unknown> {
  const [n_layer, n_head, n_embd] = SHAPES[name] ?? [];
  return { model_type: 'gpt2', vocab_size: 50257, n_positions: 1024, n_layer, n_head, n_embd };
}

/** Where the files of a Hub model are, or will be. */
export function hubFolder(name: string): string {
  return path.join(cacheFolder(), 'models', name);
}

/**
 * The folder of a Hub model, downloaded into the cache where it is not there yet. What an interrupted download left is
 * gone on from, and size and SHA-256 (where the Hub tells it) are compared before a file gets its name.
 * `HF_ENDPOINT` is another address than https://huggingface.co; `ESPALIER_CACHE` another cache than ~/.cache.
 * @throws UsageError saying where to put the files by hand
 */
export async function hubModel(name: string, log: (line: string) => void): Promise<string> {
  const folder = hubFolder(name);
  const endpoint = (process.env['HF_ENDPOINT'] ?? 'https://huggingface.co').replace(/\/$/, '');
  for (const file of FILES) {
    if (existsSync(path.join(folder, file))) continue;
    const url = `${endpoint}/openai-community/${name}/resolve/main/${file}`;
    try {
      makeFolder(folder);
      await download(url, path.join(folder, file), log);
    } catch (thrown) {
      throw new UsageError(
        'ESP_PRETRAINED_DOWNLOAD',
        `${url} cannot be downloaded: ${reasonOf(thrown)}; try again, or put ${FILES.join(' and ')} of ${name} into ${folder} yourself`,
        { cause: thrown },
      );
    }
  }
  return folder;
}

async function download(url: string, to: string, log: (line: string) => void): Promise<void> {
  // The first answer, before a redirect to a content network, has the Hub's own facts.
  const facts = await fetch(url, { method: 'HEAD', redirect: 'manual' });
  if (facts.status >= 400) throw new Error(`the server answered ${String(facts.status)}`);
  const sha256 = SHA256.exec(facts.headers.get('x-linked-etag') ?? facts.headers.get('etag') ?? '')?.[1];
  const part = `${to}.part`;
  const had = existsSync(part) ? (await stat(part)).size : 0;
  const answer = await fetch(url, had > 0 ? { headers: { range: `bytes=${String(had)}-` } } : {});
  // 416: there is nothing after what is there; the checks below tell whether it is whole.
  if (!answer.ok && answer.status !== 416) throw new Error(`the server answered ${String(answer.status)}`);
  const from = answer.status === 206 ? had : 0;
  const length = answer.headers.get('content-length');
  const size = answer.status === 416 || length === null ? undefined : from + Number(length);
  if (answer.status !== 416 && answer.body !== null) {
    log(`downloading ${url}${from > 0 ? `, from byte ${String(from)}` : ''}`);
    const body = Readable.fromWeb(answer.body);
    await pipeline(body, told(from, size, log), createWriteStream(part, { flags: from > 0 ? 'a' : 'w' }));
  }
  const got = (await stat(part)).size;
  if (size !== undefined && got !== size) throw new Error(`it ended at byte ${String(got)} of ${String(size)}`);
  if (sha256 !== undefined && (await hashOf(part)) !== sha256) {
    await rm(part);
    throw new Error('it is not what the server says (its SHA-256 differs)');
  }
  await retried(() => rename(part, to));
}

/** Passes bytes on and tells of each tenth. */
function told(from: number, size: number | undefined, log: (line: string) => void): Transform {
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

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

function reasonOf(thrown: unknown): string {
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? `: ${thrown.cause.message}` : '';
  return messageOf(thrown) + cause;
}
