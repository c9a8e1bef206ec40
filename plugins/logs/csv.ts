import { rmSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'csv-stringify/sync';
import {
  inject,
  Logger,
  On,
  Plugin,
  RunFolder,
  RunState,
  type Metrics,
  type RunRollback,
  type RunStart,
} from '../../core/index.js';
import { AppendFile } from './files/append-file.js';
import { EntryCounts } from './files/entry-counts.js';
import { keepLines } from './files/keep-lines.js';

const FILE = 'metrics.csv';
const COLUMNS = ['iter', 'tokens', 'metric', 'value'];

/**
 * Writes one row per value. A metric that appears late then needs no new column in earlier rows, so nothing is
 * rewritten, and each column has one type.
 */
@Plugin({
  name: 'csv',
  summary: 'Writes every metric value to metrics.csv in the run folder, one per row (iter,tokens,metric,value).',
  before: ['evaluation', 'checkpoint'],
  critical: false,
})
export default class Csv {
  readonly #file: AppendFile;
  readonly #counts: EntryCounts;
  #empty = true;

  constructor(
    @inject(RunFolder) folder: RunFolder,
    @inject(RunState) private readonly runState: RunState,
    @inject(Logger) log: Logger,
  ) {
    this.#counts = new EntryCounts(runState);
    this.#file = new AppendFile(path.join(folder.path, FILE), {
      lastLine: 'cut',
      onFailure: (line) => {
        log.warn(line);
      },
    });
  }

  /** Cuts what was logged after the checkpoint, since it is logged again; a new run starts a new file. */
  @On('run:start')
  start({ state, resumedFrom }: RunStart): void {
    if (resumedFrom === undefined) rmSync(this.#file.path, { force: true });
    this.#cutAfter(state.iteration);
  }

  @On('run:rollback')
  async goBack({ what, to }: RunRollback): Promise<void> {
    if (what === 'run')
      await this.#file.revise(() => {
        this.#cutAfter(to);
      });
  }

  @On('metrics')
  metrics({ iteration, values, tokens = this.runState.tokens }: Metrics): void {
    const rows: unknown[][] = Object.entries(values).map(([name, value]) => [iteration, tokens, name, value]);
    for (let i = 0; i < rows.length; i++) this.#counts.add(FILE, iteration);
    if (this.#file.append(stringify(this.#empty ? [COLUMNS, ...rows] : rows))) this.#empty = false;
  }

  /** Flushes before each checkpoint, so that a killed process loses nothing from before it. */
  @On('checkpoint:due')
  flush(): Promise<void> {
    return this.#file.flush();
  }

  state(): unknown {
    return this.#counts.state();
  }

  restore(state: unknown): void {
    this.#counts.restore(state);
  }

  dispose(): Promise<void> {
    return this.#file.close();
  }

  #cutAfter(iteration: number): void {
    const kept = this.#counts.resumeAt(iteration)(FILE);
    const iterationOf = (line: string): number => Number(line.slice(0, line.indexOf(',')));
    this.#empty = keepLines(this.#file.path, (line, index) => index === 0 || kept(iterationOf(line))) === 0;
  }
}
