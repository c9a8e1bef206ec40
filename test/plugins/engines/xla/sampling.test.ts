import { Model, tf } from '../../../../core/index.js';
import { XlaBackend } from '../../../../plugins/engines/xla/backend.js';
import { testRun } from '../../../../plugins/testing/contract.js';
import { engineNeed, needing } from '../../../needs.js';

const check = needing(await engineNeed('xla'));
const lengths = [1, 2, 7, 27, 31, 39];

check('engine xla: texts of many lengths are those of the cpu engine, and need a few programs', async (t) => {
  const programs = lengths.map(() => 0);
  const write = async (engine: string): Promise<number[][]> => {
    await using made = await testRun({
      set: [`engine=${engine}`, 'model={n_layer: 2, n_head: 2, n_embd: 8, block_size: 40, dropout: 0}'],
    });
    await made.run.train();
    const backend = tf.backend();
    let text = 0;
    if (backend instanceof XlaBackend) {
      const { compiler } = backend;
      const compile = compiler.compile.bind(compiler);
      compiler.compile = (...program) => {
        programs[text]!++;
        return compile(...program);
      };
    }
    return lengths.map((length, index) => {
      text = index;
      const prompt = Array.from({ length }, (_, at) => (at * 7) % 5);
      const options = { maxNewTokens: 5, temperature: 0, topK: 0, random: () => 0.5 };
      return made.run.container.resolve(Model).generate(prompt, options);
    });
  };
  t.deepEqual(await write('xla'), await write('cpu'));
  const [first = NaN, ...others] = programs;
  t.true(first <= 24, String(first));
  // A longer cache, then a prompt that is padded to the whole context.
  t.deepEqual(others, [0, 0, 0, 2, 11]);
});
