import path from 'node:path';
import {
  EspalierError,
  inject,
  Plugin,
  RunFolder,
  UsageError,
  type Bindings,
  type LoadedCheckpoint,
  type PluginClass,
  type StoredTensor,
} from '../../../core/index.js';
import {
  CheckpointMedium,
  description,
  iterationOf,
  loadedTensors,
  rotatedOut,
  type Rotation,
  type SnapshotCopy,
} from '../../checkpoint/contract.js';

/**
 * Stores the checkpoints of a run in memory. The `checkpoint` plugin decides what is saved, kept and rotated, as with
 * files; the contents are the same as in files: tensors, and JSON as text.
 */
export class MemoryCheckpoints {
  /** In the order of writing. */
  readonly #held = new Map<string, SnapshotCopy>();
  readonly #noted = new Map<'latest' | 'best', string>();
  #fails: (name: string) => boolean = () => false;

  /** Newest first; for one iteration, the one written last. */
  get names(): string[] {
    return [...this.#held.keys()].reverse().sort((a, b) => iterationOf(b) - iterationOf(a));
  }

  /** Names of the newest and the best checkpoint. */
  get latest(): string | undefined {
    return this.#noted.get('latest');
  }

  get best(): string | undefined {
    return this.#noted.get('best');
  }

  /** Makes writes fail from now on, as on a full disk, if `when` returns true for the checkpoint's name. */
  failWrites(when: (name: string) => boolean): void {
    this.#fails = when;
  }

  /**
   * Reads a checkpoint; by default the newest.
   * @throws UsageError if it does not exist
   */
  async read(name = this.names[0]): Promise<LoadedCheckpoint> {
    const held = name === undefined ? undefined : this.#held.get(name);
    if (name === undefined || held === undefined) {
      const which = name === undefined ? 'no checkpoint' : `no checkpoint ${name}`;
      throw new UsageError('ESP_CHECKPOINT_NOT_FOUND', `there is ${which} in memory: it has ${this.names.join(', ')}`);
    }
    const state: unknown = JSON.parse(held.state);
    const parts = await description(name, { state, model: (): unknown => JSON.parse(held.model) });
    const copy = copied(held);
    return {
      ...loadedTensors(copy.optimizer, copy.plugins),
      path: name,
      weights: copy.weights,
      ...parts,
    };
  }

  /** Returns a plugin that stores a run's checkpoints here. */
  plugin(): PluginClass {
    const read = (name: string): Promise<LoadedCheckpoint> => this.read(name);
    const names = (): string[] => this.names;
    const [held, noted] = [this.#held, this.#noted];
    const fails = (name: string): boolean => this.#fails(name);

    @Plugin({ name: 'checkpoints-in-memory', summary: 'Keeps checkpoints in memory.' })
    class CheckpointsInMemory implements CheckpointMedium {
      static register(bindings: Bindings): void {
        // Bind `this`: tsc compiles the class name to a module variable, which refers to the class made last.
        bindings.bind(CheckpointMedium, this);
      }

      constructor(@inject(RunFolder) private readonly folder: RunFolder) {}

      async prepare(): Promise<void> {
        // Nothing needs to be created.
      }

      names(): Promise<string[]> {
        return Promise.resolve(names());
      }

      async read(name: string): Promise<LoadedCheckpoint> {
        return { ...(await read(name)), path: path.join(this.folder.checkpoints, name) };
      }

      async write(name: string, copy: SnapshotCopy): Promise<void> {
        // Completes asynchronously, like a write to disk.
        await Promise.resolve();
        if (fails(name)) {
          throw new EspalierError('ESP_CHECKPOINT_WRITE', `checkpoint ${name} cannot be written: no space left`);
        }
        held.delete(name);
        held.set(name, copy);
      }

      rotate(rotation: Rotation): Promise<void> {
        for (const name of rotatedOut(names(), rotation)) held.delete(name);
        return Promise.resolve();
      }

      setNewerAside(source: string): Promise<void> {
        const all = names();
        for (const name of all.slice(0, Math.max(0, all.indexOf(source)))) held.delete(name);
        return Promise.resolve();
      }

      note(as: 'latest' | 'best', name: string | undefined): Promise<void> {
        if (name === undefined) noted.delete(as);
        else noted.set(as, name);
        return Promise.resolve();
      }
    }
    return CheckpointsInMemory;
  }
}

function copied({ weights, optimizer, plugins }: SnapshotCopy): Record<'weights' | 'optimizer' | 'plugins', Tensors> {
  const copy = (tensors: SnapshotCopy['weights']): Tensors =>
    new Map([...tensors].map(([name, { shape, values }]) => [name, { shape: [...shape], values: values.slice() }]));
  return { weights: copy(weights), optimizer: copy(optimizer), plugins: copy(plugins) };
}

type Tensors = Map<string, StoredTensor>;
