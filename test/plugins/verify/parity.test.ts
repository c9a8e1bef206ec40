import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { probeEngines, shortName } from '../../../plugins/engines/choice/choice.js';

const main = fileURLToPath(new URL('../../../plugins/command-line/shell/main.js', import.meta.url));

function parity(...args: string[]): Promise<{ code: number; out: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, 'parity', ...args], (error, out) => {
      resolve({ code: error === null ? 0 : Number(error.code), out });
    });
  });
}

const engines = (await probeEngines()).filter(({ probe }) => probe.works).map(({ plugin }) => shortName(plugin));

for (const engine of engines) {
  test(`${engine}: every number of PyTorch's cases is reached`, async (t) => {
    const { code, out } = await parity('--engine', engine, 'test/fixtures/parity');
    t.is(code, 0, out);
    t.regex(out, /3 of 3 cases match/);
  });
}

for (const engine of engines.filter((name) => name === 'native' || name === 'tensorflow')) {
  test(`${engine} in bf16: every loss of PyTorch's cases is within 1 %`, async (t) => {
    const { code, out } = await parity('--engine', engine, '--precision', 'bf16', 'test/fixtures/parity');
    t.is(code, 0, out);
    t.regex(out, /3 of 3 cases match/);
    const errors = [...out.matchAll(/loss (\S+)/g)].map(([, error]) => Number(error));
    t.true(errors.length === 3 && errors.every((error) => error < 0.01), out);
  });
}

test('a folder without a case is a failure', async (t) => {
  t.is((await parity('docs')).code, 1);
});
