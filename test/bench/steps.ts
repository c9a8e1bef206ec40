import { setTimeout as pause } from 'node:timers/promises';
import { ours, pytorch, type Peer } from './contestants.js';
import type { Contestant } from './contestant.js';
import { arithmeticOf, gpuShapes, llamaShapes, pretrainedShape, type Shape } from './shapes.js';
import { median } from './statistics.js';

export interface StepResult {
  readonly shape: string;
  readonly name: string;
  readonly description: string;
  readonly milliseconds: number;
  readonly fastest: number;
  readonly peakBytes: number;
  /** Processor time of the process per step. */
  readonly hostMilliseconds: number;
  /** Share of the step that its arithmetic takes at the speed of this engine's matrix product; only for our engines. */
  readonly floorShare?: number;
}

export interface StepRequest {
  readonly shapes: ReadonlyMap<string, Shape>;
  readonly precisions: readonly string[];
  readonly engines: readonly string[];
  readonly python: string | undefined;
  readonly say: (line: string) => void;
}

const ROUNDS = 7;
/** Milliseconds of a contestant's turn. */
const TURN = 1000;
/** Milliseconds between turns: PyTorch's threads spin for a while after their last operation. */
const COOL_DOWN = 300;
const PRODUCT_SIZE = 1024;
/** A contestant runs in the first round only if a step takes longer than a turn and `HOPELESS` times the fastest. */
const HOPELESS = 5;

/** Measures the engines and PyTorch on this machine's processor. */
export function measureSteps({ shapes, say, ...request }: StepRequest): Promise<StepResult[]> {
  return measure(shapes, (name, shape) => onProcessor(name, shape, request), say);
}

/** Measures fine-tuning of pretrained GPT-2. */
export function measurePretrained({ say, ...request }: Omit<StepRequest, 'shapes' | 'engines'>): Promise<StepResult[]> {
  const starts = (name: string, shape: Shape): Start[] => onProcessor(name, shape, { ...request, engines: [] });
  return measure(new Map([['gpt2, pretrained', pretrainedShape]]), starts, say);
}

/** Measures the engines that use a GPU, and PyTorch on it. */
export function measureOnGpu({ python, say }: Pick<StepRequest, 'python' | 'say'>): Promise<StepResult[]> {
  const starts = (_name: string, shape: Shape): Start[] => [
    () => ours('tensorflow', shape),
    ...['f32', 'bf16'].map((precision) => () => ours('xla', shape, [`precision=${precision}`])),
    ...peers(shape, { python, device: 'cuda' }),
  ];
  return measure(new Map(Object.entries(gpuShapes)), starts, say);
}

/**
 * Measures Llama models on the native engine (the plugin `llama`, a plugin of TensorFlow.js operations, and one of fused
 * operations), and PyTorch's.
 */
export function measureLlamas({ python, say }: Pick<StepRequest, 'python' | 'say'>): Promise<StepResult[]> {
  const starts = (_name: string, shape: Shape): Start[] => {
    const models = shape.model === 'llama' ? (['llama'] as const) : (['llama', 'fused-llama', 'plain-llama'] as const);
    return [
      ...models.flatMap((model) => ['f32', 'auto'].map((precision) => () => modelOfOurs(model, shape, precision))),
      ...peers(shape, { python, device: 'cpu' }),
    ];
  };
  return measure(new Map(Object.entries(llamaShapes)), starts, say);
}

const llamaNames = { llama: 'native, llama,', 'fused-llama': 'native, fused,', 'plain-llama': 'native' };

async function modelOfOurs(model: keyof typeof llamaNames, shape: Shape, precision: string): Promise<Contestant> {
  const contestant = await ours('native', { ...shape, model }, [`precision=${precision}`]);
  return { ...contestant, name: contestant.name.replace('native', llamaNames[model]) };
}

type Start = () => Promise<Contestant>;

/** Measures each shape: contestants take turns, each in its own process. */
async function measure(
  shapes: StepRequest['shapes'],
  startsOf: (name: string, shape: Shape) => readonly Start[],
  say: StepRequest['say'],
): Promise<StepResult[]> {
  const results: StepResult[] = [];
  for (const [name, shape] of shapes) {
    const contestants = await startAll(startsOf(name, shape), say);
    try {
      results.push(...(await takeTurns(name, shape, contestants, say)));
    } finally {
      await Promise.all(contestants.map((contestant) => contestant.stop()));
    }
  }
  return results;
}

function onProcessor(
  name: string,
  shape: Shape,
  { precisions, engines, python }: Omit<StepRequest, 'shapes' | 'say'>,
): Start[] {
  return [
    ...precisions.map((precision) => () => ours('native', shape, [`precision=${precision}`])),
    ...engines
      // A step of a larger shape takes wasm minutes.
      .filter((engine) => engine !== 'wasm' || name === 'char-small')
      .map((engine) => () => ours(engine, shape)),
    ...engines
      // Beside all others, GPT-2 twice in TensorFlow takes more than 24 GB.
      .filter((engine) => engine === 'tensorflow' && precisions.length > 1 && name !== 'gpt2')
      .map((engine) => () => ours(engine, shape, ['precision=bf16'])),
    ...peers(shape, { python, device: 'cpu' }),
  ];
}

/** PyTorch eager and compiled, in f32 and bf16. */
function peers(
  shape: Shape,
  { python, device }: Pick<StepRequest, 'python'> & Required<Pick<Peer, 'device'>>,
): Start[] {
  if (python === undefined) return [];
  return (['f32', 'bf16'] as const).flatMap((dtype) =>
    [false, true].map((compile) => () => pytorch(shape, { dtype, compile, device, python })),
  );
}

async function startAll(starts: readonly Start[], say: StepRequest['say']): Promise<Contestant[]> {
  const contestants: Contestant[] = [];
  for (const start of starts) {
    try {
      const contestant = await start();
      // If `auto` means f32, the same contestant runs already.
      if (contestants.some((other) => other.name === contestant.name)) await contestant.stop();
      else contestants.push(contestant);
    } catch (error) {
      say(`not measured: ${String(error)}`);
    }
  }
  return contestants;
}

async function takeTurns(
  name: string,
  shape: Shape,
  contestants: readonly Contestant[],
  say: StepRequest['say'],
): Promise<StepResult[]> {
  const times = new Map(contestants.map((contestant) => [contestant, [] as number[]]));
  const products = new Map(contestants.map((contestant) => [contestant, [] as number[]]));
  const peaks = new Map<Contestant, number>();
  const hosts = new Map<Contestant, number>();
  const paces = new Map<Contestant, number>();
  for (const contestant of contestants) paces.set(contestant, median((await contestant.ask({ steps: 3 })).times));
  const fastest = Math.min(...paces.values());
  for (let turn = 0; turn < ROUNDS; turn++) {
    say(`${name}: round ${String(turn + 1)} of ${String(ROUNDS)}`);
    for (const [contestant, pace] of paces) {
      if (turn > 0 && pace > Math.max(TURN, HOPELESS * fastest)) continue;
      const answer = await contestant.ask({ steps: Math.max(1, Math.round(TURN / pace)) });
      times.get(contestant)?.push(...answer.times);
      peaks.set(contestant, answer.peakBytes);
      hosts.set(contestant, answer.hostMilliseconds);
      if (contestant.name.startsWith('native')) {
        products.get(contestant)?.push(...(await contestant.ask({ product: PRODUCT_SIZE })).times);
      }
      await pause(COOL_DOWN);
    }
  }
  return contestants.map((contestant) => {
    const all = times.get(contestant) ?? [];
    const milliseconds = median(all);
    const product = Math.min(...(products.get(contestant) ?? []));
    const floor = (product * arithmeticOf(shape)) / (2 * PRODUCT_SIZE ** 3);
    return {
      shape: name,
      name: contestant.name,
      description: contestant.description,
      milliseconds,
      fastest: Math.min(...all),
      peakBytes: peaks.get(contestant) ?? NaN,
      hostMilliseconds: hosts.get(contestant) ?? NaN,
      ...(Number.isFinite(floor) ? { floorShare: floor / milliseconds } : {}),
    };
  });
}
