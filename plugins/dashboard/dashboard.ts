import { z } from 'zod';
import { inject, Logger, On, Plugin, PluginConfig, Ranks, RunFolder } from '../../core/index.js';
import { DEFAULT_HOST, DEFAULT_PORT, portNote } from './server/address.js';
import { serveInWorker } from './server/serve-in-worker.js';
import { type Dashboard as Served } from './server/serve.js';

const options = z
  .strictObject({
    host: z
      .string()
      .min(1)
      .default(DEFAULT_HOST)
      .describe('address to listen on; if other machines can reach it, the URL contains a token'),
    port: z
      .int()
      .min(0)
      .max(65_535)
      .default(DEFAULT_PORT)
      .describe('first port to try; the next free one is used; 0: any'),
    beside: z.array(z.string().min(1)).default([]).describe('folders of other runs to show next to this one'),
  })
  .meta({ resume: 'free' });

@Plugin({
  name: 'dashboard',
  summary: 'A local web page with live curves of the run; `espalier dashboard` also shows runs that have ended.',
  config: options,
  // Disposed after the log, so that open pages get the last lines.
  before: ['run-log'],
  critical: false,
})
export default class Dashboard {
  #served: Served | undefined;

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(RunFolder) private readonly folder: RunFolder,
    @inject(Logger) private readonly log: Logger,
    @inject(Ranks) private readonly ranks: Ranks,
  ) {}

  /** Starts the server. It reads only the run's files, so the training loop does no work for it. */
  @On('run:start')
  async start(): Promise<void> {
    if (this.ranks.rank > 0) return;
    const { host, port, beside } = this.config;
    const others = beside.map((name) => ({ name, folder: this.folder.fromConfig(name), named: true }));
    const runs = [{ name: this.folder.shown, folder: this.folder.path, named: true }, ...others];
    this.#served = await serveInWorker({ runs, host, port });
    const note = portNote(port, this.#served.url);
    if (note !== undefined) this.log.warn(note);
    this.log.info(`dashboard: ${this.#served.url}`);
  }

  async dispose(): Promise<void> {
    await this.#served?.close();
  }
}
