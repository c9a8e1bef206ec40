import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** JavaScript code to insert in a plugin's methods. */
interface OwnCode {
  /** Runs before the loss of `ids` and `targets` is computed, in `pass`. */
  readonly loss?: string;
  /** Receives `logits` [batch, time, vocabulary] and returns those to use; `this.random` is a stream. */
  readonly logits?: string;
}

const llama = fileURLToPath(new URL('../../../../../test/fixtures/plain-llama.ts', import.meta.url));

/**
 * Writes a plugin `mine.ts` into a folder: a small `plain-llama` of TensorFlow.js operations, with code of its own.
 * @param repeats whether it says that its passes are alike
 */
export function writeOwnLlama(
  folder: string,
  repeats: boolean,
  { loss = '', logits = 'return logits;' }: OwnCode,
): void {
  writeFileSync(
    path.join(folder, 'mine.ts'),
    `import { inject, Model, Plugin, PluginConfig, RandomStreams, tf } from 'espalier';
import { z } from 'zod';
import Llama from '${llama}';

const small = { n_layer: 1, n_head: 2, n_embd: 32, n_hidden: 64, block_size: 16, repeats: ${String(repeats)} };

@Plugin({ name: 'mine', summary: 'a model of plain operations', slot: 'model', config: z.looseObject({}) })
export default class Mine extends Llama {
  static register(bindings) {
    bindings.bind(Model, Mine);
  }

  constructor(@inject(PluginConfig) config, @inject(RandomStreams) streams) {
    super({ ...small, ...config }, streams);
    this.random = streams.stream('mine');
  }

  loss(ids, targets, pass) {
    this.pass = pass;
    ${loss}
    return super.loss(ids, targets);
  }

  logits(ids) {
    let logits = super.logits(ids);
    ${logits}
  }
}
`,
  );
}
