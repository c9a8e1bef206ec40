import { existsSync, readFileSync } from 'node:fs';
import { rename, rm, symlink } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { makeFolder, retried, writeWhole } from '../../files/contract.js';
import { hasSafetensors } from '../../checkpoint/contract.js';

const COMMIT = /^\w{1,64}$/;

/** The Hub's metadata of a file. */
export interface HubFile {
  readonly name: string;
  /** Commit of the model; `main` if the server does not say. */
  readonly commit: string;
  /** Hash of its content: SHA-256 for a large file, git's SHA-1 for a small one. */
  readonly etag: string;
}

/**
 * A model in the cache that Hugging Face's libraries share: `blobs/ETAG`, and `snapshots/COMMIT/FILE`, which links to
 * it.
 * Source: https://huggingface.co/docs/huggingface_hub/guides/manage-cache.
 */
export class HubCache {
  readonly folder: string;

  /** @param model `owner/name` */
  constructor(model: string) {
    this.folder = path.join(hubCacheFolder(), `models--${model.replaceAll('/', '--')}`);
  }

  /**
   * The folder of the version of `main` that any program downloaded last, if its config and safetensors are complete.
   */
  get snapshot(): string | undefined {
    const folder = this.#main;
    if (folder === undefined) return undefined;
    return existsSync(path.join(folder, 'config.json')) && hasSafetensors(folder) ? folder : undefined;
  }

  /** Returns the path of a file's content. */
  blob({ etag }: HubFile): string {
    const blobs = path.join(this.folder, 'blobs');
    makeFolder(blobs);
    return path.join(blobs, etag);
  }

  /** Adds a downloaded file to its version. Without links, as on Windows, the content itself is moved there. */
  async place(file: HubFile): Promise<string> {
    const snapshot = path.join(this.folder, 'snapshots', file.commit);
    makeFolder(snapshot);
    const at = path.join(snapshot, file.name);
    const blob = this.blob(file);
    await rm(at, { force: true });
    await symlink(path.relative(snapshot, blob), at).catch(() => retried(() => rename(blob, at)));
    return snapshot;
  }

  /** Records this version as that of `main`. */
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

/** `HF_HUB_CACHE`, or `hub` in `HF_HOME`, or in `huggingface` of the user's cache folder. */
function hubCacheFolder(): string {
  const given = (name: string): string | undefined => {
    const value = process.env[name];
    return value === undefined || value === '' ? undefined : path.resolve(value);
  };
  const home = (): string =>
    given('HF_HOME') ?? path.join(given('XDG_CACHE_HOME') ?? path.join(homedir(), '.cache'), 'huggingface');
  return given('HF_HUB_CACHE') ?? given('HUGGINGFACE_HUB_CACHE') ?? path.join(home(), 'hub');
}
