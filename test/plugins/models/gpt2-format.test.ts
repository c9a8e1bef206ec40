import test from 'ava';
import fc from '../../property.js';
import type { StoredTensor } from '../../../core/index.js';
import { huggingFaceGpt2 as format } from '../../../plugins/models/gpt/format.js';
import { nanoGptModel } from '../../../plugins/models/gpt/nanogpt.js';
import { transposed } from '../../../plugins/models/weights/layout.js';
import type { Described } from '../../../plugins/models/weights/formats.js';

const shapes = fc.record({
  layers: fc.integer({ min: 1, max: 3 }),
  heads: fc.integer({ min: 1, max: 3 }),
  headDim: fc.integer({ min: 1, max: 4 }),
  hidden: fc.integer({ min: 1, max: 20 }),
  vocab: fc.integer({ min: 1, max: 9 }),
  block: fc.integer({ min: 1, max: 9 }),
  bias: fc.boolean(),
});
type Shape = ReturnType<typeof shapes.generate>['value'];

test('weights and options survive writing and reading, and added biases are zeros', (t) => {
  fc.assert(
    fc.property(shapes, fc.integer({ min: 1, max: 9 }), (of, block) => {
      const weights = weightsOf(of);
      const model = { description: descriptionOf(of), options: {}, weights };
      const { config, weights: files } = written(model);
      const read = format.read(JSON.parse(JSON.stringify(config)) as Described);
      const { n_hidden: hidden, ...options } = read.options;
      const { layers: n_layer, heads: n_head, vocab: vocab_size } = of;
      const n_embd = of.heads * of.headDim;
      t.deepEqual(options, { n_layer, n_head, n_embd, vocab_size, bias: true, activation: 'gelu', rotary: false });
      t.is(hidden ?? 4 * n_embd, of.hidden);
      t.is(read.block?.most, of.block);
      const back = read.weights(new Map(files), { blockSize: block });
      for (const [name, tensor] of weights) {
        const rows = name === POSITIONS ? Math.min(block, of.block) : tensor.shape[0];
        t.deepEqual(back.get(name)?.shape, [rows, ...tensor.shape.slice(1)]);
        t.deepEqual(back.get(name)?.values, tensor.values.slice(0, back.get(name)?.values.length), name);
      }
      for (const [name, { values }] of back) {
        if (!weights.has(name))
          t.true(name.endsWith('.bias') && !of.bias && values.every((value) => value === 0), name);
      }
    }),
  );
});

test('nanoGPT’s folder, with transposed matrices, is read as the same weights', (t) => {
  fc.assert(
    fc.property(shapes, (of) => {
      const weights = weightsOf(of);
      const model = { description: descriptionOf(of), options: {}, weights };
      const { weights: turned } = nanoGptModel(model);
      for (const [name, tensor] of turned) {
        const isMatrix = /\.c_\w+\.weight$/.test(name);
        t.deepEqual(isMatrix ? transposed(tensor) : tensor, weights.get(name), name);
      }
      const read = format.read(written(model).config).weights(new Map(turned), { blockSize: of.block });
      t.deepEqual(read, weights);
    }),
  );
});

test('a model with rotary positions is not exported as a GPT-2', (t) => {
  const model = { description: { model_type: 'espalier' }, options: {}, weights: new Map<string, StoredTensor>() };
  t.throws(() => written(model), { message: /rotary positions/ });
  t.throws(() => nanoGptModel(model), { message: /not a GPT-2/ });
});

const POSITIONS = 'transformer.wpe.weight';

const written = (model: Parameters<NonNullable<typeof format.write>>[0]) => {
  if (format.write === undefined) throw new Error('the format writes');
  return format.write(model);
};

function descriptionOf({ layers, heads, headDim, hidden, vocab, block, bias }: Shape): Described {
  const width = heads * headDim;
  return {
    model_type: 'gpt2',
    vocab_size: vocab,
    n_positions: block,
    n_layer: layers,
    n_head: heads,
    n_embd: width,
    n_inner: hidden === 4 * width ? null : hidden,
    activation_function: 'gelu',
    bias,
  };
}

/** Weights of the plugin, with all numbers different. */
function weightsOf(of: Shape): Map<string, StoredTensor> {
  const width = of.heads * of.headDim;
  const weights = new Map<string, StoredTensor>();
  let next = 0;
  const add = (name: string, ...shape: number[]): void => {
    const size = shape.reduce((product, each) => product * each, 1);
    weights.set(name, { shape, values: new Float32Array(size).map(() => ++next) });
  };
  const withBias = (name: string, ...shape: number[]): void => {
    add(`${name}.weight`, ...shape);
    if (of.bias) add(`${name}.bias`, shape.at(-1) ?? 0);
  };
  add('transformer.wte.weight', of.vocab, width);
  add(POSITIONS, of.block, width);
  for (let layer = 0; layer < of.layers; layer++) {
    const at = `transformer.h.${String(layer)}`;
    withBias(`${at}.ln_1`, width);
    withBias(`${at}.attn.c_attn`, width, 3 * width);
    withBias(`${at}.attn.c_proj`, width, width);
    withBias(`${at}.ln_2`, width);
    withBias(`${at}.mlp.c_fc`, width, of.hidden);
    withBias(`${at}.mlp.c_proj`, of.hidden, width);
  }
  withBias('transformer.ln_f', width);
  return weights;
}
