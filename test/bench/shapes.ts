/** A training step's size. */
export interface Shape {
  readonly layers: number;
  readonly heads: number;
  readonly embd: number;
  readonly blockSize: number;
  readonly batchSize: number;
  readonly vocabSize: number;
  /** Of the MLP; default: gelu. */
  readonly activation?: 'gelu' | 'gelu_tanh';
  /** In linear layers and layer norms; default: false. */
  readonly bias?: boolean;
  /** Default: gpt; plain-llama and fused-llama are in test/fixtures. */
  readonly model?: 'gpt' | 'llama' | 'plain-llama' | 'fused-llama';
  /** Heads of keys and of values, where there are fewer than of queries; of llama alone. */
  readonly keyValueHeads?: number;
  /** Documents of equal length in each row, apart in attention; default: documents are not given. */
  readonly documents?: number;
}

/** nanoGPT's CPU and GPU recipes for characters (the second with a batch of 8), and GPT-2 124M. */
export const shapes: Readonly<Record<string, Shape>> = {
  'char-small': { layers: 4, heads: 4, embd: 128, blockSize: 64, batchSize: 12, vocabSize: 65 },
  'char-base': { layers: 6, heads: 6, embd: 384, blockSize: 256, batchSize: 8, vocabSize: 65 },
  gpt2: { layers: 12, heads: 12, embd: 768, blockSize: 256, batchSize: 1, vocabSize: 50304 },
};

export function shapeOf(name: string): Shape {
  const shape = shapes[name];
  if (shape === undefined) throw new Error(`no shape ${name}`);
  return shape;
}

/** What `init: gpt2` fine-tunes: GPT-2 124M as it was trained, with half of its window. */
export const pretrainedShape: Shape = {
  ...{ layers: 12, heads: 12, embd: 768, blockSize: 512, batchSize: 1, vocabSize: 50257 },
  ...{ activation: 'gelu_tanh', bias: true },
};

/** The same sizes as a Llama-style model; those with fewer heads of keys and values are of our plugin `llama` alone. */
export const llamaShapes: Readonly<Record<string, Shape>> = {
  'llama-small': { ...shapes['char-small']!, model: 'plain-llama' },
  'llama-base': { ...shapes['char-base']!, model: 'plain-llama' },
  'llama-small, grouped': { ...shapes['char-small']!, model: 'llama', keyValueHeads: 2 },
  'llama-base, grouped': { ...shapes['char-base']!, model: 'llama', keyValueHeads: 2 },
};

/** What a GPU has enough to do with: nanoGPT's GPU recipe for characters as it is, and GPT-2 124M with its window. */
export const gpuShapes: Readonly<Record<string, Shape>> = {
  'char-base, 64 × 256': { layers: 6, heads: 6, embd: 384, blockSize: 256, batchSize: 64, vocabSize: 65 },
  'gpt2, 8 × 1024': { layers: 12, heads: 12, embd: 768, blockSize: 1024, batchSize: 8, vocabSize: 50304 },
};

/**
 * Multiplications and additions that a step cannot do without: forward once, backward twice, of every matrix
 * product, and of attention the half that is not masked.
 */
export function arithmeticOf(shape: Shape): number {
  const { layers, heads, keyValueHeads = heads, embd, blockSize, batchSize, vocabSize } = shape;
  const tokens = batchSize * blockSize;
  const projections = (2 + (2 * keyValueHeads) / heads) * embd ** 2;
  const ofLayer = isGpt(shape) ? 12 * embd ** 2 : projections + 3 * embd * hiddenOf(shape);
  const weights = layers * ofLayer + vocabSize * embd;
  const attended = layers * 2 * embd * ((blockSize + 1) / 2);
  return 3 * 2 * tokens * (weights + attended);
}

/** The config of a run of this size, without dropout, as `--set` takes it. */
export function settingsOf(shape: Shape): string[] {
  const { model, activation = 'gelu', bias = false, keyValueHeads = null } = shape;
  const gpt = [`model.activation=${activation}`, `model.bias=${String(bias)}`, 'model.dropout=0'];
  const llama = [`model.n_kv_head=${String(keyValueHeads)}`, 'model.dropout=0'];
  return [
    ...(isGpt(shape) ? gpt : [`model.n_hidden=${String(hiddenOf(shape))}`]),
    ...(model === 'llama' ? llama : []),
    `model.n_layer=${String(shape.layers)}`,
    `model.n_head=${String(shape.heads)}`,
    `model.n_embd=${String(shape.embd)}`,
    `model.block_size=${String(shape.blockSize)}`,
    `train.batch_size=${String(shape.batchSize)}`,
  ];
}

function isGpt({ model = 'gpt' }: Shape): boolean {
  return model === 'gpt';
}

/** Two thirds of four widths, up to a multiple of 8: what Llama has. */
function hiddenOf({ embd }: Shape): number {
  return Math.ceil((8 * embd) / 3 / 8) * 8;
}
