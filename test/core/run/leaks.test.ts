import { tf } from '../../../core/tf.js';
import { probeEngines, shortName } from '../../../core/run/engine.js';
import { engineNeed, needing } from '../../needs.js';
import { debugRun, textFolder } from './debug-run.js';

const engines = (await probeEngines()).map(({ plugin }) => shortName(plugin));
const needs = await Promise.all(engines.map(async (engine) => ({ engine, need: await engineNeed(engine) })));

for (const { engine, need } of needs) {
  needing(need).serial(`${engine}: as many tensors are alive after iteration 100 as after iteration 10`, async (t) => {
    const { run } = await debugRun(
      t,
      textFolder(t),
      `engine=${engine}`,
      'train.max_iters=100',
      'train.gradient_accumulation_steps=2',
      'model={n_layer: 1, n_embd: 8, block_size: 8, n_head: 2, dropout: 0.1}',
      'plugins.evaluation={interval: 7, iters: 2}',
    );
    const alive: number[] = [];
    run.bus.on('iteration:start', () => alive.push(tf.memory().numTensors));
    await run.setUp();
    await run.train();
    t.is(alive.length, 100);
    t.is(alive[99], alive[9]);
    t.true(run.state.bestValLoss !== null && run.state.bestValLoss < 3.5);
  });
}
