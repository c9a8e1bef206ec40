import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { z } from 'zod';
import {
  CheckpointStore,
  EventBus,
  inject,
  Logger,
  On,
  Plugin,
  PluginConfig,
  RunControl,
  RunFolder,
  RunState,
  writeCheckpoint,
  type Bindings,
  type CheckpointDue,
  type CheckpointKind,
  type EvaluationEnd,
  type IterationEnd,
  type RunStart,
  type Snapshot,
} from '../../core/index.js';

const options = z.strictObject({
  keep: z
    .strictObject({
      last: z.int().min(1).default(1).describe('newest checkpoints kept'),
      best: z.int().min(0).max(1).default(1).describe('1: the one with the lowest validation loss is kept too'),
    })
    .prefault({})
    .describe('checkpoints that rotation leaves'),
  interval: z.int().min(0).default(0).describe('iterations between checkpoints; 0: one at each evaluation'),
});

const BYTES_PER_PARAMETER = 12;

@Plugin({
  name: 'checkpoint',
  summary: 'Saves the latest and the best checkpoint, each whole or not at all.',
  config: options,
  after: ['evaluation'],
})
export default class Checkpoint implements CheckpointStore {
  static register(bindings: Bindings): void {
    bindings.bind(CheckpointStore, Checkpoint);
  }

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(EventBus) private readonly bus: EventBus,
    @inject(RunControl) private readonly control: RunControl,
    @inject(RunState) private readonly runState: RunState,
    @inject(RunFolder) private readonly folder: RunFolder,
    @inject(Logger) private readonly log: Logger,
  ) {}

  @On('run:start')
  start({ resumedFrom }: RunStart): void {
    if (resumedFrom !== undefined) this.#ours.add(path.basename(resumedFrom));
  }

  @On('iteration:end')
  atInterval({ iteration, maxIters }: IterationEnd): void {
    const done = iteration + 1;
    const { interval } = this.config;
    if (done === maxIters || (interval > 0 && done % interval === 0)) this.control.requestCheckpoint('latest');
  }

  @On('evaluation:end')
  atEvaluation({ losses }: EvaluationEnd): void {
    if (this.config.interval === 0) this.control.requestCheckpoint('latest');
    const { bestValLoss } = this.runState;
    if (this.config.keep.best > 0 && bestValLoss !== null && losses.val <= bestValLoss)
      this.control.requestCheckpoint('best');
  }

  @On('checkpoint:due')
  async saveAll({ kinds, snapshot }: CheckpointDue): Promise<void> {
    for (const kind of kinds) {
      const saved = await this.save(snapshot, kind);
      await this.bus.dispatch('checkpoint:saved', { iteration: snapshot.state.run.iteration, path: saved, kind });
    }
    await this.rotate();
  }

  async save(snapshot: Snapshot, kind: CheckpointKind): Promise<string> {
    const digits = String(snapshot.state.run.iteration).padStart(6, '0');
    const name = kind === 'emergency' ? `${digits}-emergency` : digits;
    const saved = path.join(this.folder.checkpoints, name);
    await mkdir(this.folder.checkpoints, { recursive: true });
    // One of this run and iteration is of this moment too; any other of that name is damaged, or of a run before.
    if (!this.#ours.has(name)) {
      await rm(saved, { recursive: true, force: true });
      await writeCheckpoint(saved, snapshot);
      this.#ours.add(name);
    }
    for (const pointer of kind === 'best' ? ['best'] : ['latest']) {
      await writeFileAtomic(path.join(this.folder.checkpoints, pointer), `${name}\n`);
      this.#pointers.set(pointer, name);
    }
    this.log.info(`saved ${kind} checkpoint ${path.join(this.folder.shown, 'checkpoints', name)}`);
    return saved;
  }

  expected(parameters: number): { bytes: number; kept: number } {
    return { bytes: parameters * BYTES_PER_PARAMETER, kept: this.config.keep.last + this.config.keep.best };
  }

  /** Which checkpoint is the best goes on after a resume. */
  state(): { best: string | null } {
    return { best: this.#pointers.get('best') ?? null };
  }

  restore(state: unknown): void {
    const { best } = z.object({ best: z.string().nullable() }).parse(state);
    if (best !== null) this.#pointers.set('best', best);
  }

  readonly #pointers = new Map<string, string>();
  /** Checkpoints that this run wrote, and the one that it goes on from. */
  readonly #ours = new Set<string>();

  /** Takes away what is neither among the newest nor pointed to; emergency checkpoints stay. */
  private async rotate(): Promise<void> {
    const names = (await readdir(this.folder.checkpoints))
      .filter((name) => /^\d+$/.test(name))
      .sort((a, b) => Number(b) - Number(a));
    const pointed = new Set(this.#pointers.values());
    for (const name of names.slice(this.config.keep.last)) {
      if (!pointed.has(name)) await rm(path.join(this.folder.checkpoints, name), { recursive: true });
    }
  }
}
