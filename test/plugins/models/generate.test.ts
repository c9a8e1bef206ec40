import test, { type ExecutionContext } from 'ava';
import { Engine, RandomStreams, tf, type GenerateOptions, type Model } from '../../../core/index.js';
import { chooseToken, withChangingShapes } from '../../../plugins/index.js';
import { makeRun } from '../../../core/run/make.js';
import { useEngine } from '../../../core/tf.js';
import { availableEngines } from '../ops/engines.js';
import { engineNeed, needing } from '../../needs.js';

const VOCAB = 11;
const BLOCK = 12;
const choices = { maxNewTokens: 2 * BLOCK, temperature: 1, topK: 0 };
const prompts: Record<string, readonly number[]> = {
  'one token': [3],
  'some tokens': [3, 1, 4, 1, 5],
  'as many as fit': Array.from({ length: BLOCK }, (_, i) => (7 * i) % VOCAB),
  'more than fit': Array.from({ length: BLOCK + 5 }, (_, i) => (5 * i + 2) % VOCAB),
};
const models: Record<string, object> = {
  plain: {},
  'with biases and another activation': { bias: true, activation: 'gelu_tanh' },
  'with rotary positions': { rotary: true },
  'with LoRA': { attn_lora_rank: 2, embedding_lora_rank: 2 },
  'with dropout': { dropout: 0.5 },
  llama: { use: 'llama' },
  'llama with fewer key and value heads and query-key norm': { use: 'llama', n_kv_head: 1, qk_norm: true, head_dim: 6 },
  'llama with biases, LoRA and an untied head': {
    ...{ use: 'llama', qkv_bias: true, output_bias: true, mlp_bias: true, tied: false },
    ...{ attn_lora_rank: 2, output_lora_rank: 2, mlp_lora_rank: 2 },
  },
};

const engines = [{ name: 'cpu', need: await engineNeed('cpu') }, ...(await availableEngines())];
for (const { name, need } of engines) {
  const title = `engine ${name}: each token is the one that follows from all that are in the window`;
  needing(need).serial(title, async (t) => {
    // The operations are the same everywhere, so not every model has to run on each engine.
    const own = name === 'cpu' || name === 'native' ? models : { plain: {} };
    for (const [which, options] of Object.entries(own)) {
      const model = await gpt(t, name, options);
      for (const [what, prompt] of Object.entries(prompts)) {
        const { numTensors } = tf.memory();
        const [written, expected] = withChangingShapes(() => [
          model.generate(prompt, { ...choices, random: uniform() }),
          oneByOne(model, prompt, uniform()),
        ]);
        t.deepEqual(written, expected, `${which}, ${what}`);
        t.true(new Set(written).size > 2, `${which}, ${what}: the choice is not always the same token`);
        t.is(tf.memory().numTensors, numTensors, 'nothing is kept');
      }
    }
  });
}

for (const { name, need } of engines) {
  const title = `engine ${name}: of several texts at a time, each is the one that it would be alone`;
  needing(need).serial(title, async (t) => {
    const which = name === 'native' ? Object.entries(models) : [['plain', {}] as const];
    const seeds = name === 'native' ? [1, 2, 3, 4, 5, 6, 7] : [1, 2, 3];
    for (const [what, options] of which) {
      const model = await gpt(t, name, options);
      for (const prompt of Object.values(prompts)) {
        const { numTensors } = tf.memory();
        const texts = (temperature: number): GenerateOptions[] =>
          seeds.map((seed) => ({ ...choices, topK: 4, temperature, random: uniform(seed) }));
        const [together, alone, greedy] = withChangingShapes(() => [
          model.generateAll?.(prompt, texts(1)) ?? [],
          texts(1).map((each) => model.generate(prompt, each)),
          model.generateAll?.(prompt, texts(0).slice(0, 2)) ?? [],
        ]);
        t.deepEqual(together, alone, what);
        t.true(new Set(together.map(String)).size > 1, `${what}: texts differ`);
        t.deepEqual(greedy[0], greedy[1], what);
        t.is(tf.memory().numTensors, numTensors, 'nothing is kept');
      }
    }
  });
}

test.serial('texts that end early, by length or by `stop`, are prefixes of those that do not', async (t) => {
  const model = await gpt(t, 'cpu', {});
  for (const prompt of Object.values(prompts)) {
    const seeds = [1, 2, 3, 4];
    const texts = (own: (index: number) => Partial<GenerateOptions>): GenerateOptions[] =>
      seeds.map((seed, index) => ({ ...choices, random: uniform(seed), ...own(index) }));
    const all =
      model.generateAll?.(
        prompt,
        texts(() => ({})),
      ) ?? [];
    const lengths = [0, 1, BLOCK, 2 * BLOCK];
    const shown = seeds.map((): number[] => []);
    const cut = model.generateAll?.(
      prompt,
      texts((index) => {
        const onToken = (id: number): void => void shown[index]?.push(id);
        const most = lengths[index] ?? 0;
        return index % 2 === 0 ? { maxNewTokens: most, onToken } : { stop: (ids) => ids.length === most, onToken };
      }),
    );
    const expected = all.map((ids, index) => ids.slice(0, lengths[index]));
    t.deepEqual(cut, expected);
    t.deepEqual(shown, expected);
  }
});

test.serial('generating in steps gives the same texts as one call, and leaks nothing when ended early', async (t) => {
  const model = await gpt(t, 'cpu', {});
  const prompt = [3, 1, 4];
  const { numTensors } = tf.memory();
  const options = [1, 2].map((seed) => ({ ...choices, random: uniform(seed) }));
  const again = [1, 2].map((seed) => ({ ...choices, random: uniform(seed) }));
  const steps = model.generateSteps?.(prompt, options);
  let count = 0;
  for (let step = steps?.next(); step !== undefined; step = steps?.next()) {
    if (step.done === true) {
      t.deepEqual(step.value, model.generateAll?.(prompt, again));
      break;
    }
    count++;
  }
  t.is(count, choices.maxNewTokens);
  t.is(tf.memory().numTensors, numTensors);
  const early = model.generateSteps?.(prompt, options);
  early?.next();
  early?.next();
  t.true(tf.memory().numTensors > numTensors);
  early?.return([]);
  t.is(tf.memory().numTensors, numTensors);
});

test.serial('each token is chosen by the options, from the logits of the window and the whole text', async (t) => {
  const model = await gpt(t, 'cpu', {});
  const options = { ...choices, topK: 6, topP: 0.8, repetitionPenalty: 1.5 };
  for (const prompt of Object.values(prompts)) {
    const [random, text] = [uniform(), [...prompt]];
    withChangingShapes(() => {
      for (let i = 0; i < options.maxNewTokens; i++) {
        text.push(chooseToken(Float32Array.from(lastLogits(model, text)), { ...options, random }, text));
      }
    });
    const written = model.generate(prompt, { ...options, random: uniform() });
    t.deepEqual(written, text.slice(prompt.length));
    t.notDeepEqual(written, model.generate(prompt, { ...options, repetitionPenalty: 1, random: uniform() }));
  }
});

const written = { bias: true, activation: 'gelu_tanh' };
const greedy = { ...choices, temperature: 0, random: uniform() };
/** Logits that are closer than this may swap with another order of a sum. */
const CLOSE = 1e-4;

for (const { name, need } of engines.slice(1)) {
  const title = `engine ${name}: in f32 the likeliest tokens are those of engine cpu, until two are nearly as likely`;
  needing(need).serial(title, async (t) => {
    for (const prompt of Object.values(prompts)) {
      const reference = await gpt(t, 'cpu', written);
      const { tokens, clear } = withChangingShapes(() => clearlyLikeliest(reference, prompt));
      const model = await gpt(t, name, written);
      const found = withChangingShapes(() => model.generate(prompt, greedy));
      t.deepEqual(found.slice(0, clear), tokens.slice(0, clear));
      t.true(clear >= 6, `only ${String(clear)} tokens could be compared`);
      t.deepEqual(
        withChangingShapes(() => model.generate(prompt, greedy)),
        found,
        'the same bits again',
      );
    }
  });
}

needing(await engineNeed('native')).serial(
  'engine native: bf16 logits equal those in f32 within rounding, and the text is reproducible',
  async (t) => {
    const prompt = [3, 1, 4, 1, 5];
    const exact = lastLogits(await gpt(t, 'cpu', written), prompt);
    const model = await gpt(t, 'native', written, 'bf16');
    const rounded = lastLogits(model, prompt);
    const largest = Math.max(...exact.map(Math.abs));
    const error = Math.max(...exact.map((value, i) => Math.abs(value - (rounded[i] ?? NaN))));
    // Eight products in sequence, each of which rounds its operands to 8 bits.
    t.true(error > 0 && error < (8 / 2 ** 8) * largest, `${String(error)} of ${String(largest)}`);
    const texts = [1, 2].map(() => model.generate(prompt, { ...choices, random: uniform() }));
    t.deepEqual(texts[0], texts[1]);
  },
);

/** Returns the likeliest tokens after a text, and how many of them lead by more than `CLOSE`. */
function clearlyLikeliest(model: Model, prompt: readonly number[]): { tokens: number[]; clear: number } {
  const tokens = model.generate(prompt, greedy);
  const clear = tokens.findIndex((_, i) => {
    const [first = NaN, second = NaN] = lastLogits(model, [...prompt, ...tokens.slice(0, i)]).sort((a, b) => b - a);
    return first - second < CLOSE;
  });
  return { tokens, clear: clear === -1 ? tokens.length : clear };
}

/** Returns the logits of the token after a text, cropped to the model's context. */
function lastLogits(model: Model, text: readonly number[]): number[] {
  const window = text.slice(-model.blockSize);
  return tf.tidy(() => {
    const logits = model.logits(tf.tensor2d([...window], [1, window.length], 'int32'));
    return [...logits.dataSync().slice((window.length - 1) * model.vocabSize)];
  });
}

/** Generates each token by a separate call, which computes the whole window. */
function oneByOne(model: Model, prompt: readonly number[], random: () => number): number[] {
  const all = [...prompt];
  for (let i = 0; i < choices.maxNewTokens; i++)
    all.push(...model.generate(all, { ...choices, maxNewTokens: 1, random }));
  return all.slice(prompt.length);
}

function uniform(seed = 3): () => number {
  const stream = new RandomStreams(seed).stream('test');
  return () => stream.float();
}

/** Initial weights give logits of about 0; larger ones make the choice meaningful. */
async function gpt(t: ExecutionContext, engine: string, options: object, precision = 'f32'): Promise<Model> {
  const size = { n_layer: 2, n_head: 2, n_embd: 8, block_size: BLOCK };
  const { run } = await makeRun({
    cwd: process.cwd(),
    presets: ['debug'],
    set: [`engine=${engine}`, `precision=${precision}`, `model=${JSON.stringify({ ...size, ...options })}`],
    only: ['engine', 'model'],
  });
  t.teardown(() => run.dispose());
  await run.setUp(VOCAB);
  useEngine(run.container.resolve(Engine));
  for (const [name, variable] of run.model.parameters())
    if (!/ln_|norm/.test(name)) tf.tidy(() => variable.assign(tf.mul(variable, 8)));
  return run.model;
}
