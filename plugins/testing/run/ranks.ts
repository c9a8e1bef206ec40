import {
  On,
  Plugin,
  Ranks,
  tf,
  type Bindings,
  type GradientsReady,
  type PluginClass,
  type Requests,
  type RequestsReady,
} from '../../../core/index.js';
import { agreed, said } from '../../parallel/contract.js';

/** Contributes one rank's value, and returns all values by rank once every rank has contributed. */
type Exchange<T> = (rank: number, own: T) => Promise<readonly T[]>;

/**
 * Returns plugins that join runs of this process into the ranks of one training; index n is rank n. They average
 * gradients and agree on requests, like `data-parallel` between processes. All the runs must train at the same time.
 */
export function memoryRanks(size: number): PluginClass[] {
  const numbers = exchangeOf<readonly number[]>(size);
  const texts = exchangeOf<string>(size);
  return Array.from({ length: size }, (_, rank) => rankPlugin({ rank, size }, numbers, texts));
}

function exchangeOf<T>(size: number): Exchange<T> {
  let brought = new Map<number, T>();
  let waiting: ((all: readonly T[]) => void)[] = [];
  return (rank, own) =>
    new Promise((resolve) => {
      brought.set(rank, own);
      waiting.push(resolve);
      if (brought.size < size) return;
      const all = [...brought].sort(([a], [b]) => a - b).map(([, value]) => value);
      const done = waiting;
      [brought, waiting] = [new Map<number, T>(), []];
      for (const each of done) each(all);
    });
}

function rankPlugin(
  { rank, size }: Pick<Ranks, 'rank' | 'size'>,
  numbers: Exchange<readonly number[]>,
  texts: Exchange<string>,
): PluginClass {
  @Plugin({ name: 'ranks-in-memory', summary: 'Trains with other runs of this process.' })
  class RanksInMemory implements Ranks {
    static register(bindings: Bindings): void {
      bindings.bind(Ranks, RanksInMemory);
    }

    readonly rank = rank;
    readonly size = size;
    #agreed: Pick<Requests, 'stops' | 'checkpoints'> = { stops: [], checkpoints: [] };

    async average(values: readonly number[]): Promise<readonly number[]> {
      const all = await numbers(rank, values);
      return values.map((_, i) => all.reduce((sum, of) => sum + (of[i] ?? NaN), 0) / size);
    }

    @On('gradients:ready')
    async averageGradients({ gradients }: GradientsReady): Promise<void> {
      const own = [...gradients].map(([name, tensor]) => ({ name, tensor, values: tensor.dataSync<'float32'>() }));
      const means = await this.average(own.flatMap(({ values }) => [...values]));
      let from = 0;
      for (const { name, tensor } of own) {
        gradients.set(name, tf.tensor(means.slice(from, (from += tensor.size)), tensor.shape));
        tensor.dispose();
      }
    }

    @On('requests:ready')
    async agree(ready: RequestsReady): Promise<void> {
      ready.requests = agreed(await texts(rank, said(ready.requests)), this.#agreed);
      const { stops, checkpoints } = ready.requests;
      this.#agreed = {
        stops: [...this.#agreed.stops, ...stops],
        checkpoints: [...this.#agreed.checkpoints, ...checkpoints],
      };
    }
  }
  return RanksInMemory;
}
