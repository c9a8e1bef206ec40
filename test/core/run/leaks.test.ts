import { probeEngines, shortName } from '../../../plugins/engines/choice/choice.js';
import { assertNoLeaks } from '../../../plugins/testing/contract.js';
import { engineNeed, needing } from '../../needs.js';

const engines = (await probeEngines()).map(({ plugin }) => shortName(plugin));
const needs = await Promise.all(engines.map(async (engine) => ({ engine, need: await engineNeed(engine) })));

for (const { engine, need } of needs) {
  needing(need).serial(`${engine}: a run leaks no tensor, with evaluations and checkpoints`, async (t) => {
    const config = { engine, train: { gradient_accumulation_steps: 2 } };
    await t.notThrowsAsync(assertNoLeaks({ iterations: 40, config }));
  });
}
