import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import fc from '../../property.js';
import {
  Model,
  Plugin,
  softmaxCrossEntropy,
  tf,
  UsageError,
  type Bindings,
  type PluginClass,
  type TokenReader,
} from '../../../plugins/index.js';
import { textBytes } from '../../../plugins/evaluation/evaluators/text-bytes.js';
import { MemoryReader } from '../../../plugins/data/contract.js';
import BytesTokenizerPlugin from '../../../plugins/tokenizers/bytes.js';
import { testRanks, testRun, trainTogether, type TestRun } from '../../../plugins/testing/contract.js';
import { emptyFolder } from '../../e2e/command.js';

const letters = ['à', 'è', 'é', 'ù'];
const [lead = 0] = Buffer.from('à');
const bytes = letters.map((letter) => Buffer.from(letter)[1] ?? 0);

/** A model whose chances are known: each of the four letters is as likely as the others, whatever the tokens are. */
function evenModel(): PluginClass {
  @Plugin({ name: 'even', summary: 'four letters, each with a chance of a quarter', slot: 'model' })
  class Even implements Model {
    static register(bindings: Bindings): void {
      bindings.bind(Model, this);
    }

    readonly blockSize = 8;
    vocabSize = 0;
    readonly description = {};
    #weights = new Map<string, tf.Variable>();

    build(vocabSize: number): void {
      this.vocabSize = vocabSize;
      this.#weights.set('bias', tf.variable(tf.zeros([1])));
    }

    parameters(): ReadonlyMap<string, tf.Variable> {
      return this.#weights;
    }

    logits(ids: tf.Tensor2D): tf.Tensor3D {
      const rows = [...ids.dataSync()].map((id) => {
        const likely = this.vocabSize > 200 ? (id === lead ? bytes : [lead]) : [1, 2, 3, 4];
        return Array.from({ length: this.vocabSize }, (_, next) => (likely.includes(next) ? 0 : -1e4));
      });
      const [batch, time] = ids.shape;
      const bias = this.#weights.get('bias') ?? tf.zeros([1]);
      return tf.add(tf.tensor3d(rows.flat(), [batch, time, this.vocabSize]), bias);
    }

    loss(ids: tf.Tensor2D, targets: tf.Tensor2D): tf.Scalar {
      return softmaxCrossEntropy(this.logits(ids), targets);
    }

    generate(): number[] {
      return [];
    }

    parameterCounts() {
      return [{ component: 'bias', total: 1, trainable: 1 }];
    }

    trainingFlopsPerToken(): number {
      return 1;
    }

    activationBytes(): number {
      return 1;
    }

    dispose(): void {
      this.#weights.get('bias')?.dispose();
    }
  }
  return Even;
}

/** A text that starts with a letter of one byte, so that what is predicted are whole letters of two. */
const text = `a${Array.from({ length: 160 }, (_, i) => letters[(i * i + (i >> 2)) % 4]).join('')}`;

async function measured(tokenizer: string, cwd: string): Promise<TestRun> {
  writeFileSync(path.join(cwd, 'text.txt'), text.repeat(8));
  writeFileSync(path.join(cwd, 'set.txt'), text);
  const run = await testRun({
    cwd,
    iterations: 1,
    plugins: [evenModel(), 'perplexity', 'bits-per-byte'],
    config: { data: { text: 'text.txt', tokenizer, validation: { set: 'set.txt' } } },
    set: ['model=even'],
  });
  await run.train();
  return run;
}

test('bits per byte are equal across tokenizers if the text’s probability is; perplexities are not', async (t) => {
  const cwd = emptyFolder(t);
  for (const [tokenizer, perplexity] of [
    ['bytes', 2],
    ['char', 4],
  ] as const) {
    await using run = await measured(tokenizer, cwd);
    const value = (name: string): number => run.events.metric(name).get(1) ?? NaN;
    t.true(Math.abs(value('val/bits_per_byte/set') - 1) < 1e-6, `${tokenizer}: ${value('val/bits_per_byte/set')}`);
    t.true(Math.abs(value('val/perplexity/set') - perplexity) < 1e-5, `${tokenizer}: ${value('val/perplexity/set')}`);
  }
});

test('perplexity is exp of the loss, on one rank and on two; iters limits what is measured', async (t) => {
  const config = { plugins: { evaluation: { full: true, iters: 1 }, perplexity: {}, 'bits-per-byte': {} } };
  const options = { iterations: 3, config };
  await using one = await testRun(options);
  await one.train();
  const [loss = NaN] = one.events.metric('val/loss').values();
  t.is(one.events.metric('val/perplexity').get(3), Math.exp(loss));
  // One byte for each character.
  const bits = one.events.metric('val/bits_per_byte').get(3) ?? NaN;
  t.true(Math.abs(bits - loss / Math.LN2) < 1e-9);
  const ranks = await testRanks(2, { ...options, set: ['train.batch_size=1'] });
  for (const rank of ranks) t.teardown(() => rank.dispose());
  await trainTogether(ranks);
  for (const name of ['val/perplexity', 'val/bits_per_byte']) {
    const [first = NaN, second = NaN] = ranks.map(({ events }) => events.metric(name).get(3));
    t.is(first, second);
    t.true(Math.abs(first - (one.events.metric(name).get(3) ?? NaN)) < 1e-4);
  }
  await using part = await testRun({ ...options, set: ['plugins.perplexity.iters=2'] });
  await part.train();
  const perplexity = part.events.metric('val/perplexity').get(3);
  t.true(perplexity !== undefined && perplexity !== Math.exp(loss));
});

test('the number of bytes does not depend on where a text is cut into pieces', async (t) => {
  const tokenizer = new BytesTokenizerPlugin().forText();
  const texts = fc.string({ unit: 'grapheme', maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(texts, fc.integer({ min: 5, max: 40 }), async (text, piece) => {
      const ids = Int32Array.from([97, ...Buffer.from(text)]);
      const counted = await textBytes(new MemoryReader(ids, 'text'), ids.length - 1, tokenizer, piece);
      t.is(counted, Buffer.byteLength(text.toWellFormed()));
    }),
  );
});

test('ignored targets and end-of-text tokens count no bytes', async (t) => {
  const tokenizer = new BytesTokenizerPlugin().forText();
  const inner = new MemoryReader(Int32Array.from([97, 98, 99, 256, 100, 101]), 'text');
  const reader: TokenReader = {
    length: inner.length,
    parts: inner.parts,
    id: inner.id,
    share: () => inner.share(),
    read: (at, count, into, offset) => {
      inner.read(at, count, into, offset);
    },
    readTargets: (at, count, into, offset) => {
      inner.read(at, count, into, offset);
      for (let i = 0; i < count; i++) if (at + i === 4) into[offset + i] = -1;
    },
  };
  t.is(await textBytes(reader, 5, tokenizer), 3);
});

test('bits per byte of data without a tokenizer are refused before training', async (t) => {
  const folder = emptyFolder(t);
  for (const split of ['train', 'val']) writeFileSync(path.join(folder, `${split}.bin`), new Uint8Array(200));
  const config = { data: { dir: '.' }, plugins: { 'bits-per-byte': {} } };
  await t.throwsAsync(testRun({ cwd: folder, config }), {
    instanceOf: UsageError,
    message: /plugins\.bits-per-byte: the tokenizer of the data is unknown/,
  });
});
