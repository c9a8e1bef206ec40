import path from 'node:path';
import { inject, Logger, On, Plugin, Ranks, RunFolder } from '../../core/index.js';
import { writeWhole } from '../files/contract.js';
import { reportOf } from './server/report.js';

const FILE = 'report.html';

@Plugin({
  name: 'report',
  summary: 'Writes report.html to the run folder at the end: curves, config, samples and timings in one file.',
  // Disposed after the log, which is complete then.
  before: ['run-log'],
  critical: false,
})
export default class Report {
  #ended = false;

  constructor(
    @inject(RunFolder) private readonly folder: RunFolder,
    @inject(Logger) private readonly log: Logger,
    @inject(Ranks) private readonly ranks: Ranks,
  ) {}

  @On('run:end')
  end(): void {
    this.#ended = this.ranks.rank === 0;
  }

  async dispose(): Promise<void> {
    if (!this.#ended) return;
    await writeWhole(path.join(this.folder.path, FILE), await reportOf(this.folder.path, this.folder.shown));
    this.log.info(`report: ${path.join(this.folder.shown, FILE)}`);
  }
}
