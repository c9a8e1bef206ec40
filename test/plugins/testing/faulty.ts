import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  Engine,
  EventBus,
  inject,
  Model,
  On,
  Plugin,
  RandomStreams,
  Ranks,
  RunFolder,
  RunState,
  tf,
  type GradientsReady,
  type IterationEnd,
  type PluginClass,
} from '../../../core/index.js';
import { makeFolder } from '../../../plugins/files/contract.js';

/** A fault, seeded in a plugin, and the same plugin without it. */
export interface Pair {
  /** The check that finds it. */
  readonly check: string;
  /** How that check names it. */
  readonly message: RegExp;
  readonly faulty: PluginClass;
  readonly right: PluginClass;
}

function scale({ gradients }: GradientsReady, by: number): void {
  for (const [name, gradient] of gradients) {
    gradients.set(name, tf.mul(gradient, by));
    gradient.dispose();
  }
}

const metrics = { 'loss/total': { unit: 'nats', what: 'sum of the training losses' } };

@Plugin({ name: 'total', summary: 'publishes the sum of the losses', metrics })
class Total {
  protected total = 0;

  constructor(@inject(EventBus) protected readonly bus: EventBus) {}

  @On('iteration:end')
  async add({ iteration, loss }: IterationEnd): Promise<void> {
    this.total += loss;
    await this.publish(iteration);
  }

  protected async publish(iteration: number): Promise<void> {
    await this.bus.dispatch('metrics', { iteration, values: { 'loss/total': this.total } });
  }

  state(): unknown {
    return { total: this.total };
  }

  restore(state: unknown): void {
    this.total = typeof state === 'object' && state !== null && 'total' in state ? Number(state.total) : 0;
  }
}

@Plugin({ name: 'total', summary: 'saves nothing', metrics })
class LosesState extends Total {
  override state(): unknown {
    return undefined;
  }
}

@Plugin({ name: 'total', summary: 'stays where it was when the run goes back', metrics })
class IsNotUndone extends Total {
  #isStarted = false;

  @On('run:start')
  start(): void {
    this.#isStarted = true;
  }

  override restore(state: unknown): void {
    if (!this.#isStarted) super.restore(state);
  }
}

@Plugin({ name: 'total', summary: 'counts how often it was saved', metrics })
class ChangesOnSave extends Total {
  #saves = 0;

  override state(): unknown {
    return { total: this.total, saves: ++this.#saves };
  }
}

@Plugin({ name: 'total', summary: 'publishes what it does not declare' })
class DeclaresNothing extends Total {}

@Plugin({ name: 'total', summary: 'hears of no error', metrics })
class Swallows extends Total {
  protected override async publish(iteration: number): Promise<void> {
    await super.publish(iteration).catch(() => undefined);
  }
}

@Plugin({ name: 'total', summary: 'keeps its state in a file of its own', metrics })
class LeavesHalf extends Total {
  readonly #file: string;

  constructor(@inject(EventBus) bus: EventBus, @inject(RunFolder) folder: RunFolder) {
    super(bus);
    this.#file = path.join(makeFolder(folder.path) ?? folder.path, 'total.txt');
    if (existsSync(this.#file)) this.total = Number(readFileSync(this.#file, 'utf8'));
  }

  protected override async publish(iteration: number): Promise<void> {
    writeFileSync(this.#file, String(this.total));
    await super.publish(iteration);
  }

  override state(): unknown {
    return undefined;
  }
}

@Plugin({ name: 'half', summary: 'halves gradients' })
class Half {
  @On('gradients:ready')
  halve(ready: GradientsReady): void {
    scale(ready, 0.5);
  }
}

@Plugin({ name: 'half', summary: 'keeps a tensor of each iteration' })
class Leaks extends Half {
  @On('iteration:end')
  keep({ loss }: IterationEnd): void {
    tf.keep(tf.scalar(loss));
  }
}

@Plugin({ name: 'half', summary: 'scales gradients by the time' })
class LooksAtTheClock {
  @On('gradients:ready')
  halve(ready: GradientsReady): void {
    scale(ready, 0.5 + (Date.now() % 1000) / 1000);
  }
}

@Plugin({ name: 'half', summary: 'scales gradients at random' })
class IsRandom {
  @On('gradients:ready')
  halve(ready: GradientsReady): void {
    // eslint-disable-next-line no-restricted-properties -- the fault
    scale(ready, Math.random());
  }
}

@Plugin({ name: 'half', summary: 'scales gradients at random, from a stream' })
class IsRandomFromStream {
  constructor(@inject(RandomStreams) private readonly random: RandomStreams) {}

  @On('gradients:ready')
  halve(ready: GradientsReady): void {
    scale(ready, this.random.stream('half').float());
  }
}

@Plugin({ name: 'half', summary: 'scales gradients on rank 1' })
class Diverges {
  constructor(@inject(Ranks) private readonly ranks: Ranks) {}

  @On('gradients:ready')
  halve(ready: GradientsReady): void {
    scale(ready, this.ranks.rank === 1 ? 0.5 : 1);
  }
}

@Plugin({ name: 'half', summary: 'scales gradients by the engine' })
class DependsOnEngine {
  constructor(@inject(Engine) private readonly engine: Engine) {}

  @On('gradients:ready')
  halve(ready: GradientsReady): void {
    scale(ready, this.engine.name === 'cpu' ? 0.5 : -0.5);
  }
}

@Plugin({ name: 'half', summary: 'divides gradients by the dropout' })
class DividesByDropout {
  constructor(@inject(Model) private readonly model: Model) {}

  @On('gradients:ready')
  halve(ready: GradientsReady): void {
    scale(ready, 0.05 / Number(this.model.description['dropout']));
  }
}

@Plugin({ name: 'half', summary: 'scales gradients by the number of micro-batches' })
class CountsMicroBatches {
  #count = 0;

  @On('micro-batch:end')
  count(): void {
    this.#count++;
  }

  @On('gradients:ready')
  halve(ready: GradientsReady): void {
    scale(ready, this.#count / 2);
    this.#count = 0;
  }
}

@Plugin({ name: 'notes', summary: 'writes a file', ranks: 'first' })
class Notes {
  constructor(
    @inject(RunFolder) private readonly folder: RunFolder,
    @inject(RunState) private readonly run: RunState,
  ) {}

  @On('iteration:end')
  write(): void {
    makeFolder(this.folder.path);
    writeFileSync(path.join(this.folder.path, 'notes.txt'), String(this.run.iteration));
  }
}

@Plugin({ name: 'notes', summary: 'writes a file on every rank' })
class NotesOfEachRank extends Notes {}

@Plugin({ name: 'held', summary: 'holds a timer, a file and a listener, and lets them go' })
class Held {
  protected timer: NodeJS.Timeout | undefined;
  protected file: number | undefined;
  protected readonly listener = (): void => undefined;

  @On('run:start')
  start(): void {
    this.timer = setInterval(() => undefined, 60_000).unref();
    this.file = openSync('package.json', 'r');
    process.on('warning', this.listener);
  }

  dispose(): void {
    this.stop();
    this.close();
    process.off('warning', this.listener);
  }

  protected stop(): void {
    clearInterval(this.timer);
  }

  protected close(): void {
    if (this.file !== undefined) closeSync(this.file);
  }
}

@Plugin({ name: 'held', summary: 'forgets its timer' })
class ForgetsTimer extends Held {
  protected override stop(): void {
    this.timer?.refresh();
  }
}

@Plugin({ name: 'held', summary: 'forgets its file' })
class ForgetsFile extends Held {
  protected override close(): void {
    this.file = undefined;
  }
}

@Plugin({ name: 'held', summary: 'forgets its listener' })
class ForgetsListener extends Held {
  override dispose(): void {
    this.stop();
    this.close();
  }
}

@Plugin({ name: 'held', summary: 'fails where it has not started' })
class FailsToDispose extends Held {
  override dispose(): void {
    super.dispose();
    if (this.timer === undefined) throw new Error('there is no timer');
  }
}

/** By what is wrong. */
export const pairs: Readonly<Record<string, Pair>> = {
  'state that is lost': {
    check: 'resume',
    message: /^stopped at [\w:-]+ and resumed: metric loss\/total of iteration \d+ is [\d.]+, not [\d.]+$/,
    faulty: LosesState,
    right: Total,
  },
  'a rollback that is not undone': {
    check: 'rollback',
    message: /^after a rollback at iteration 5: metric loss\/total of iteration \d+ is [\d.]+, not [\d.]+$/,
    faulty: IsNotUndone,
    right: Total,
  },
  'state that saving changes': {
    check: 'saving',
    message:
      /^state\(\) called twice after 0 iterations: plugin total: state\.saves is 2, not 1: it changes what it saves$/,
    faulty: ChangesOnSave,
    right: Total,
  },
  'a metric that is not declared': {
    check: 'metrics',
    message: /^no plugin declares loss\/total: /,
    faulty: DeclaresNothing,
    right: Total,
  },
  'an error that is swallowed': {
    check: 'error',
    message: /^an error thrown at metrics did not end the run: /,
    faulty: Swallows,
    right: Total,
  },
  'state half written when an error comes': {
    check: 'error',
    message: /^failed at [\w:-]+ and resumed: metric loss\/total of iteration \d+ is [\d.]+, not [\d.]+$/,
    faulty: LeavesHalf,
    right: Total,
  },
  'a tensor that leaks': {
    check: 'leaks',
    message: /^at the start of iteration 3, \d+ tensors are alive instead of \d+: /,
    faulty: Leaks,
    right: Half,
  },
  'the clock in a result': {
    check: 'repeat',
    message:
      /^the same run again: (?:the loss of iteration \d|weight [\w.]+\[\d+\]) is [\d.e-]+, not [\d.e-]+: it depends on the clock; if /,
    faulty: LooksAtTheClock,
    right: Half,
  },
  'Math.random in a result': {
    check: 'repeat',
    message:
      /^the same run again: (?:the loss of iteration \d|weight [\w.]+\[\d+\]) is [\d.e-]+, not [\d.e-]+: it depends on Math\.random; /,
    faulty: IsRandom,
    right: IsRandomFromStream,
  },
  'ranks that diverge': {
    check: 'ranks',
    message: /^rank 1: the loss of iteration 1 is [\d.]+, not [\d.]+ as on rank 0$|^rank 1: weight /,
    faulty: Diverges,
    right: Half,
  },
  'a rank that writes': {
    check: 'ranks',
    message: /^rank 1 wrote notes\.txt: /,
    faulty: NotesOfEachRank,
    right: Notes,
  },
  'a result that depends on the engine': {
    check: 'engines',
    message: /^engine \w+, compared with cpu: (the loss of iteration \d|weight [\w.]+\[\d+\]) is [\d.-]+, not [\d.-]+$/,
    faulty: DependsOnEngine,
    right: Half,
  },
  'a result that needs dropout': {
    check: 'dropout',
    message: /^with dropout 0: the loss of iteration 1 is NaN$/,
    faulty: DividesByDropout,
    right: Half,
  },
  'a result that depends on micro-batches': {
    check: 'accumulation',
    message: /^two micro-batches of 2 for one of 4: (the loss of iteration \d|weight [\w.]+\[\d+\]) is /,
    faulty: CountsMicroBatches,
    right: Half,
  },
  'a timer that is forgotten': {
    check: 'disposal',
    message: /^after a run, a timer \(made at \S+faulty\.[jt]s:\d+\) is left: /,
    faulty: ForgetsTimer,
    right: Held,
  },
  'a file that is forgotten': {
    check: 'disposal',
    message: /^after a run, the open file \S+package\.json is left: /,
    faulty: ForgetsFile,
    right: Held,
  },
  'a listener of the process that is forgotten': {
    check: 'disposal',
    message: /^after a run, a listener of process\.on\('warning'\) is left: /,
    faulty: ForgetsListener,
    right: Held,
  },
  'a dispose() that fails': {
    check: 'disposal',
    message: /^after a run that never trained, plugin held failed at dispose\(\): there is no timer$/,
    faulty: FailsToDispose,
    right: Held,
  },
};
