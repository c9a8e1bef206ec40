import { ours } from './contestants.js';
import type { Contestant } from './contestant.js';
import { pretrainedShape, shapes, type Shape } from './shapes.js';
import { median } from './statistics.js';

/** Cost of an option of a built-in model. */
export interface Cliff {
  readonly shape: string;
  readonly option: string;
  /** Time of a step divided by the time of the plain step: median over the turns. */
  readonly ratio: number;
  readonly milliseconds: number;
}

/** Ratio above which an option counts as a cliff. */
export const MOST = 1.5;
const ROUNDS = 5;
/** Turns for a step longer than `LONG` milliseconds, so that all steps take only minutes. */
const ROUNDS_OF_LONG = 3;
const LONG = 800;
/** Duration of a turn in milliseconds, or one step if that is longer. */
const TURN = 400;
/** From the third pass on, a pass only replays its recorded engine calls. */
const WARM_UP = 3;

/** Options that hardly change the arithmetic of a step. */
const options: Readonly<Record<string, readonly string[]>> = {
  'activation: gelu_tanh': ['model.activation=gelu_tanh'],
  'activation: silu': ['model.activation=silu'],
  'activation: relu': ['model.activation=relu'],
  'activation: relu2': ['model.activation=relu2'],
  'bias: true': ['model.bias=true'],
  'dropout: 0.1': ['model.dropout=0.1'],
  'rotary: true': ['model.rotary=true'],
  'attn_lora_rank: 8': ['model.attn_lora_rank=8'],
  'attn_lora_rank: 8, trained: lora': ['model.attn_lora_rank=8', 'model.trained=lora'],
  'attn_lora_rank: 8, embedding_lora_rank: 8': ['model.attn_lora_rank=8', 'model.embedding_lora_rank=8'],
  'trained: embeddings': ['model.trained=embeddings'],
  'GPT-2’s (gelu_tanh, bias, dropout)': ['model.activation=gelu_tanh', 'model.bias=true', 'model.dropout=0.1'],
};

/** Options of GPT-2 that are not defaults of `gpt`, and options set when it is fine-tuned. */
const ofPretrained = [
  'activation: gelu_tanh',
  'bias: true',
  'dropout: 0.1',
  'rotary: true',
  'attn_lora_rank: 8',
  'attn_lora_rank: 8, trained: lora',
  'GPT-2’s (gelu_tanh, bias, dropout)',
];

const plans: readonly (readonly [name: string, shape: Shape | undefined, options: readonly string[]])[] = [
  ['char-small', shapes['char-small'], Object.keys(options)],
  ['char-base', shapes['char-base'], Object.keys(options)],
  ['gpt2, pretrained', { ...pretrainedShape, activation: 'gelu', bias: false }, ofPretrained],
];

/**
 * Measures steps of the native engine with each option, in turns with the plain step.
 * @param only names of shapes; default: all
 */
export async function measureCliffs(
  only: readonly string[] | undefined,
  say: (line: string) => void,
): Promise<Cliff[]> {
  const cliffs: Cliff[] = [];
  for (const [name, shape, names] of plans) {
    if (shape === undefined || only?.includes(name) === false) continue;
    const plain = await ours('native', shape);
    try {
      await plain.ask({ steps: WARM_UP });
      for (const option of names) {
        const other = await ours('native', shape, options[option]);
        try {
          const cliff = { shape: name, option, ...(await compared(plain, other)) };
          say(`${name}, ${option}: ${cliff.ratio.toFixed(2)}`);
          cliffs.push(cliff);
        } finally {
          await other.stop();
        }
      }
    } finally {
      await plain.stop();
    }
  }
  return cliffs;
}

/** Measures again if it would be a cliff, since another program may have slowed it down. */
async function compared(plain: Contestant, other: Contestant): Promise<Pick<Cliff, 'ratio' | 'milliseconds'>> {
  await other.ask({ steps: WARM_UP });
  const first = await turns(plain, other);
  if (first.ratio <= MOST) return first;
  const second = await turns(plain, other);
  return second.ratio < first.ratio ? second : first;
}

async function turns(plain: Contestant, other: Contestant): Promise<Pick<Cliff, 'ratio' | 'milliseconds'>> {
  const ratios: number[] = [];
  const times: number[] = [];
  const { times: pace } = await plain.ask({ steps: 1 });
  const steps = Math.max(1, Math.round(TURN / median(pace)));
  const rounds = median(pace) > LONG ? ROUNDS_OF_LONG : ROUNDS;
  for (let round = 0; round < rounds; round++) {
    const before = Math.min(...(await plain.ask({ steps })).times);
    const here = (await other.ask({ steps })).times;
    ratios.push(Math.min(...here) / before);
    times.push(...here);
  }
  return { ratio: median(ratios), milliseconds: median(times) };
}
