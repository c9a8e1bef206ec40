import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { retried } from '../../files/contract.js';
import type { HubFile } from './hub-cache.js';

const ETAG = /^(?:W\/)?"?(\w[\w.-]{0,199})"?$/;
const COMMIT = /^[0-9a-f]{40}$/;
const [SHA256_DIGITS, SHA1_DIGITS] = [64, 40];
/** Maximum number of redirects within the Hub. */
const MAX_HOPS = 5;
const [UNAUTHORIZED, FORBIDDEN, NOT_FOUND] = [401, 403, 404];

/** The model has no such file. */
export class NotThere extends Error {}

/**
 * Returns the Hub's metadata of a file, from the first response that does not redirect within the Hub.
 * @throws NotThere if the model has no such file
 */
export async function factsOf(url: string, name: string): Promise<HubFile> {
  let at = new URL(url);
  const ask = (): Promise<Response> => fetch(at, { method: 'HEAD', redirect: 'manual', headers: account() });
  let answer = await ask();
  for (let hops = 0; hops < MAX_HOPS; hops++) {
    const next = new URL(answer.headers.get('location') ?? at, at);
    if (next.href === at.href || next.origin !== at.origin) break;
    at = next;
    answer = await ask();
  }
  if (answer.status === NOT_FOUND) throw new NotThere('the server answered 404: there is no such file or model');
  if (answer.status === UNAUTHORIZED || answer.status === FORBIDDEN) {
    throw new Error(
      `the server answered ${String(answer.status)}: there is no such model, or its owner wants to know who reads it (accept its terms on its page, and set HF_TOKEN to a token of your account)`,
    );
  }
  if (answer.status >= 400) throw new Error(`the server answered ${String(answer.status)}`);
  const etag = ETAG.exec(answer.headers.get('x-linked-etag') ?? answer.headers.get('etag') ?? '')?.[1];
  if (etag === undefined) throw new Error('the server does not say which version it has (no ETag)');
  const commit = COMMIT.exec(answer.headers.get('x-repo-commit') ?? '')?.[0] ?? 'main';
  return { name, commit, etag };
}

/**
 * Downloads a file, or the rest of a partial download.
 * @param to final path; until complete, the file is named `.incomplete`, as in Hugging Face's libraries
 */
export async function download(url: string, { etag }: HubFile, to: string, log: (line: string) => void): Promise<void> {
  if (existsSync(to)) return;
  const part = `${to}.incomplete`;
  const had = existsSync(part) ? (await stat(part)).size : 0;
  const range = had > 0 ? { range: `bytes=${String(had)}-` } : {};
  // With compression, sizes and offsets would not be those of the file.
  const answer = await fetch(url, { headers: { 'accept-encoding': 'identity', ...range, ...account() } });
  // 416: nothing follows what is already there; the checks below show whether it is complete.
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

/** Passes bytes through and logs progress at each tenth. */
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

/** Returns the kind of hash that the etag is: SHA-256 of the content, or git's SHA-1 of it as a blob. */
async function hashOf(file: string, bytes: number, { length }: string): Promise<string> {
  const hash = createHash(length === SHA256_DIGITS ? 'sha256' : 'sha1');
  if (length === SHA1_DIGITS) hash.update(`blob ${String(bytes)}\0`);
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** `fetch` drops this header when redirected to another host. */
function account(): Record<string, string> {
  const token = process.env['HF_TOKEN'];
  return token === undefined || token === '' ? {} : { authorization: `Bearer ${token}` };
}
