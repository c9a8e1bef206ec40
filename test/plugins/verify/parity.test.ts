import { readdirSync } from 'node:fs';
import test from 'ava';
import { probeEngines, shortName } from '../../../plugins/engines/choice/choice.js';
import { espalier as espalierAlone, type Outcome } from '../../e2e/command.js';
import { espalier } from '../../e2e/warm.js';
import { engineNeed, needing } from '../../needs.js';

/** From the root, where the cases are. */
const parity = (...args: string[]): Promise<Outcome> => espalier(process.cwd(), 'parity', ...args);

const engines = (await probeEngines()).map(({ plugin }) => shortName(plugin));

const folder = 'test/fixtures/parity';
const cases = readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? [entry.name] : [],
);
/** Of the engines that take ten seconds a case. `espalier parity test/fixtures/parity --engine NAME` runs all. */
const few = ['plain', 'rotary-lora', 'qwen3-norms'];
const casesOf = (engine: string): readonly string[] => (['tensorflow', 'xla'].includes(engine) ? few : cases);

for (const engine of engines) {
  const check = needing(await engineNeed(engine));
  for (const name of casesOf(engine)) {
    check(`${engine}: every number of PyTorch's case ${name} is reached`, async (t) => {
      const { code, out } = await parity('--engine', engine, `${folder}/${name}`);
      t.is(code, 0, out);
      t.regex(out, /1 of 1 cases match/);
    });
  }
}

for (const engine of engines.filter((name) => ['native', 'tensorflow', 'xla'].includes(name))) {
  needing(await engineNeed(engine))(`${engine} in bf16: every loss of PyTorch's cases is within 1 %`, async (t) => {
    // An engine has one precision in a process.
    const folders = casesOf(engine).map((name) => `${folder}/${name}`);
    const args = ['--engine', engine, '--precision', 'bf16', ...folders];
    const { code, out } = await espalierAlone(process.cwd(), 'parity', ...args);
    t.is(code, 0, out);
    const { length } = folders;
    t.regex(out, new RegExp(`${String(length)} of ${String(length)} cases match`));
    const errors = [...out.matchAll(/loss (\S+)/g)].map(([, error]) => Number(error));
    t.true(errors.length === length && errors.every((error) => error < 0.01), out);
  });
}

test('a folder without a case fails', async (t) => {
  t.is((await espalierAlone(process.cwd(), 'parity', 'docs')).code, 1);
});
