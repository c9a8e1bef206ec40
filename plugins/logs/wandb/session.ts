import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { messageOf, type Logger, type RunFolder } from '../../../core/index.js';
import { makeFolder } from '../../files/contract.js';
import { findRunFolder, markerOf, newRunFolder, runFileIn } from './folder.js';
import { resumeFile, type RunSoFar } from './resumed-file.js';
import { Lines, itemsOf, timeOf, type RunPart } from './records.js';
import type { Options, Settings } from './settings.js';
import { Recorder, type Row } from './recorder.js';
import { RunFile } from './run-file.js';
import { Upload } from './upload.js';

export interface SessionParts {
  readonly options: Options;
  readonly settings: Settings;
  readonly folder: RunFolder;
  readonly log: Logger;
}

export interface SessionStart {
  readonly id: string;
  readonly name: string;
  readonly time: Date;
  /** Undefined for a new run. */
  readonly resumed: ResumedRun | undefined;
}

/** What a resumed run continues. */
export interface ResumedRun {
  readonly checkpoint: string;
  /** Iterations done in the checkpoint, and its history rows. */
  readonly iteration: number;
  readonly rows: number;
  /** Rows of the checkpoint's iteration to keep; later ones are published again. */
  readonly kept: number;
  /** That iteration's last row, which is continued; not counted in `rows`. */
  readonly open: Row | undefined;
}

/** The part of a W&B run that one process writes: the run file, and its upload if online. */
export class Session {
  readonly recorder: Recorder;
  /** The run folder as printed. */
  readonly #shown: string;
  readonly #runFile: string;
  readonly #filesFolder: string;
  readonly #config: Record<string, unknown>;
  #upload: Upload | undefined;

  constructor(
    private readonly parts: SessionParts,
    start: SessionStart,
  ) {
    const { folder, log } = parts;
    const { id, resumed } = start;
    const wandbFolder = path.join(this.#parent(), 'wandb');
    const found = resumed === undefined ? undefined : this.#findFolder(id, wandbFolder, resumed.checkpoint);
    const runFolder = found ?? newRunFolder(wandbFolder, id, start.time);
    this.#runFile = runFileIn(runFolder, id);
    this.#filesFolder = path.join(runFolder, 'files');
    this.#shown = path.relative(folder.fromConfig('.'), runFolder);
    this.#config = configOf(folder);
    rmSync(markerOf(this.#runFile), { force: true });

    const run = this.#runPart(start);
    const renewed = ({ start_time, branch_point: branch }: RunPart): RunPart =>
      branch === undefined ? { ...run, start_time, branch_point: undefined } : { ...run, start_time };
    const soFar =
      found === undefined || resumed === undefined ? undefined : resumeFile(this.#runFile, keptRows(resumed), renewed);
    for (const media of soFar?.gone ?? []) rmSync(path.join(this.#filesFolder, media), { force: true });
    const rowsBefore = Math.max(0, (resumed?.rows ?? 0) - (soFar?.lines.history ?? 0));
    const warn = (line: string): void => {
      log.warn(line);
    };
    const file = new RunFile(this.#runFile, {
      runId: id,
      position: soFar?.position ?? 0,
      records: soFar?.records ?? 0,
      onFailure: (line) => {
        warn(`wandb: ${line}`);
      },
    });
    if (soFar === undefined) file.write({ run });
    const open = resumed?.open;
    this.recorder = new Recorder({ file, filesFolder: this.#filesFolder, soFar, rowsBefore, open, warn });
    this.#upload = this.#startUpload(soFar, rowsBefore);
  }

  /** Completes the run file, and uploads the rest. */
  async finish(exitCode: number): Promise<void> {
    const { log, options } = this.parts;
    await this.recorder.finish(exitCode);
    if (this.#upload !== undefined) {
      this.#writeFiles();
      const whole = await this.#upload.finish(options.finish_timeout);
      if (whole) {
        writeFileSync(markerOf(this.#runFile), '');
        log.info('wandb: the whole run is uploaded');
        return;
      }
    }
    log.info(`wandb: to upload the run: wandb sync ${this.#shown}`);
  }

  #startUpload(soFar: RunSoFar | undefined, rowsBefore: number): Upload | undefined {
    const { settings, options, log } = this.parts;
    const { mode, apiKey, baseUrl } = settings;
    if (mode !== 'online' || apiKey === undefined) {
      log.info(`wandb: offline, in ${this.#shown}`);
      return undefined;
    }
    const { lines, untouched } = soFar ?? { lines: new Lines(), untouched: new Lines() };
    const source = { file: this.#runFile, filesFolder: this.#filesFolder, lines, untouched, rowsBefore };
    const connection = { baseUrl, apiKey, agent: 'espalier', retry: options.retry };
    return new Upload(
      { source, connection, interval: options.interval },
      {
        say: (level, line) => {
          log[level](line);
        },
        onPage: (page) => {
          log.info(`wandb: ${baseUrl.replace('://api.wandb.ai', '://wandb.ai')}/${page}`);
        },
        onGivenUp: (why) => {
          this.#upload = undefined;
          log.warn(`wandb: giving up on the server: ${why}; the run continues offline, in ${this.#shown}`);
        },
      },
    );
  }

  /**
   * Finds the folder to continue. In offline mode a file that `wandb sync` has uploaded is not continued, because it
   * would send every row again: a new file is started. Our own upload knows what the server has, and continues the
   * file.
   */
  #findFolder(id: string, wandbFolder: string, checkpoint: string): string | undefined {
    const found = findRunFolder(id, wandbFolder, path.resolve(checkpoint, '../..', 'wandb'));
    const isDone = found !== undefined && existsSync(markerOf(runFileIn(found, id)));
    return isDone && this.parts.settings.mode === 'offline' ? undefined : found;
  }

  #runPart({ id, name, time, resumed }: SessionStart): RunPart {
    const { settings } = this.parts;
    // For a file without the beginning of the run: makes `wandb sync` rewind the server's run to where this file
    // begins.
    const branch = resumed !== undefined && (resumed.rows > 0 || resumed.open !== undefined);
    const back = resumed?.open === undefined ? 0 : 1;
    return {
      run_id: id,
      entity: settings.entity ?? '',
      project: settings.project,
      config: { update: itemsOf(this.#config) },
      run_group: settings.group ?? '',
      job_type: settings.jobType ?? '',
      display_name: name,
      notes: settings.notes ?? '',
      tags: [...settings.tags],
      host: settings.host ?? hostname(),
      start_time: timeOf(time.getTime()),
      branch_point: branch ? { run: id, value: resumed.iteration - back, metric: '_step' } : undefined,
    };
  }

  /** Writes the files that the Python client uploads besides the history. */
  #writeFiles(): void {
    const wrapped = Object.fromEntries(Object.entries(this.#config).map(([key, value]) => [key, { value }]));
    try {
      makeFolder(this.#filesFolder);
      writeFileSync(path.join(this.#filesFolder, 'config.yaml'), stringify(wrapped));
      writeFileSync(path.join(this.#filesFolder, 'wandb-summary.json'), JSON.stringify(this.recorder.summary));
    } catch (thrown) {
      this.parts.log.warn(`wandb: ${this.#shown}/files cannot be written: ${messageOf(thrown)}`);
    }
  }

  #parent(): string {
    const { settings, folder } = this.parts;
    return settings.dir === undefined ? folder.path : folder.fromConfig(settings.dir);
  }
}

/** Returns a function to call with the step of each row in order, that returns whether to keep it. */
function keptRows({ iteration, kept }: ResumedRun): (step: number) => boolean {
  let left = kept;
  return (step) => step < iteration || (step === iteration && left-- > 0);
}

/** Reads the composed config that the run wrote at its start. */
function configOf(folder: RunFolder): Record<string, unknown> {
  const read: unknown = parse(readFileSync(path.join(folder.path, 'config.yaml'), 'utf8'));
  return z.record(z.string(), z.unknown()).parse(read);
}
