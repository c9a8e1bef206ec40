import { existsSync, readFileSync } from 'node:fs';
import { rename, rm, symlink } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { makeFolder, retried, writeWhole } from '../../files/contract.js';
import { hasSafetensors } from '../../checkpoint/contract.js';

const COMMIT = /^\w{1,64}$/;

/** What the Hub says of a file. */
export interface HubFile {
  readonly name: string;
  /** Of the version of the model; `main` where the server does not say. */
  readonly commit: string;
  /** Name of its content: SHA-256 of a large file, git's SHA-1 of a small one. */
  readonly etag: string;
}

/**
 * A model in the cache that Hugging Face's libraries share: `blobs/ETAG`, and `snapshots/COMMIT/FILE`, which links to it.
 * Source: https://huggingface.co/docs/huggingface_hub/guides/manage-cache.
 */
export class HubCache {
  readonly folder: string;

  /** @param model `owner/name` */
  constructor(model: string) {
    this.folder = path.join(hubCacheFolder(), `models--${model.replaceAll('/', '--')}`);
  }

  /** The version of `main` that was last downloaded, by any program, where its config and safetensors are whole. */
  get snapshot(): string | undefined {
    const folder = this.#main;
    if (folder === undefined) return undefined;
    return existsSync(path.join(folder, 'config.json')) && hasSafetensors(folder) ? folder : undefined;
  }

  /** Where the content of a file is, or will be. */
  blob({ etag }: HubFile): string {
    const blobs = path.join(this.folder, 'blobs');
    makeFolder(blobs);
    return path.join(blobs, etag);
  }

  /** Puts a downloaded file into its version. Without links, as on Windows, the content itself is moved there. */
  async place(file: HubFile): Promise<string> {
    const snapshot = path.join(this.folder, 'snapshots', file.commit);
    makeFolder(snapshot);
    const at = path.join(snapshot, file.name);
    const blob = this.blob(file);
    await rm(at, { force: true });
    await symlink(path.relative(snapshot, blob), at).catch(() => retried(() => rename(blob, at)));
    return snapshot;
  }

  /** Notes that this version is that of `main`. */
  async setMain(commit: string): Promise<void> {
    const refs = path.join(this.folder, 'refs');
    makeFolder(refs);
    await writeWhole(path.join(refs, 'main'), commit);
  }

  get #main(): string | undefined {
    try {
      const commit = readFileSync(path.join(this.folder, 'refs', 'main'), 'utf8').trim();
      return COMMIT.test(commit) ? path.join(this.folder, 'snapshots', commit) : undefined;
    } catch {
      return undefined;
    }
  }
}

/** `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else in `huggingface` of the user's cache. */
function hubCacheFolder(): string {
  const given = (name: string): string | undefined => {
    const value = process.env[name];
    return value === undefined || value === '' ? undefined : path.resolve(value);
  };
  const home = (): string =>
    given('HF_HOME') ?? path.join(given('XDG_CACHE_HOME') ?? path.join(homedir(), '.cache'), 'huggingface');
  return given('HF_HUB_CACHE') ?? given('HUGGINGFACE_HUB_CACHE') ?? path.join(home(), 'hub');
}
