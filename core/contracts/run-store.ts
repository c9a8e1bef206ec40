import type { ComposedConfig } from '../config/composed.js';
import type { FoundPlugin } from '../plugins/resolve.js';
import type { ConfiguredPlugin } from '../run/container.js';
import type { LoadedCheckpoint } from './checkpoint-store.js';
import type { RunFolder, RunPlace } from './run-folder.js';

/** How a run starts, besides what it is. */
export interface StartOptions {
  /** Resume from the newest checkpoint of the run's folder (true), or from the run or checkpoint that is named. */
  readonly resume?: boolean | string | undefined;
  /** When resuming: keys whose current values are taken, whatever gave them. */
  readonly override?: readonly string[] | undefined;
  /** When resuming: plugins that start afresh. */
  readonly resumeDrop?: readonly string[] | undefined;
  /** Start over in a run folder that holds checkpoints, which are deleted when training starts. */
  readonly force?: boolean | undefined;
}

/** Who asks to resume, and who hears about it. */
export interface ResumeRequest extends StartOptions {
  /** Plugins that are given as classes, by name. */
  readonly classes?: ReadonlyMap<string, FoundPlugin> | undefined;
  /** Folder that paths are relative to. */
  readonly cwd: string;
  readonly say: (level: 'info' | 'warn', line: string) => void;
}

/** What a run resumes from. */
export interface Resumption {
  readonly checkpoint: LoadedCheckpoint;
  /** The checkpoint's config, with what is given anew over it. */
  readonly composed: ComposedConfig;
  /** The checkpoint was copied out of its run: the run that resumes from it has a folder of its own. */
  readonly isAlone: boolean;
  /** Whether the checkpoint is one of this folder's. */
  isWithin(folder: RunFolder): boolean;
  /** Whether the same checkpoint would be chosen now: another process may have trained there since. */
  isNewest(): Promise<boolean>;
  /**
   * Reports how the config differs from the checkpoint's.
   * @param plugins of the run that was made from `composed`, with its folder
   * @returns whether a run that a plugin ended is trained no further
   * @throws UsageError naming a setting that may not change, and was not asked for by name
   */
  review(plugins: readonly ConfiguredPlugin[], folder: RunFolder): boolean;
}

/** Keeps runs on disk. The family that does exports one as `provided` in `provides/run-store.ts`. */
export interface RunStore {
  /** @param writes false on ranks that leave the folder to the first: what changes it does nothing there */
  folder(place: RunPlace, writes: boolean): RunFolder;
  /**
   * What a run resumes from, by `resume`, `init: resume` or `resume: auto | PATH`; undefined if it starts anew.
   * @throws UsageError if there is nothing to resume from, and that was asked for
   */
  resumption(composed: ComposedConfig, request: ResumeRequest): Promise<Resumption | undefined>;
  /**
   * Reads the checkpoint that a path names, or the newest of the run there, for its weights: without the optimizer's tensors.
   * @param warn called for each damaged one that is passed over
   * @throws UsageError if there is none
   */
  read(from: string, cwd: string, warn: (line: string) => void): Promise<LoadedCheckpoint>;
}
