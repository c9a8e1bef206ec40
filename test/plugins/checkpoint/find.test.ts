import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { findBest, findCheckpoint } from '../../../plugins/checkpoint/stored/find.js';
import { rotateCheckpoints } from '../../../plugins/checkpoint/writing/rotate.js';
import { setNewerAside } from '../../../plugins/checkpoint/writing/aside.js';
import { emptyFolder } from '../../e2e/command.js';

const fixture = fileURLToPath(new URL('../../../../test/fixtures/checkpoint-2', import.meta.url));

test('of two checkpoints of the same iteration a run resumes from the one written last, and sets newer ones aside', async (t) => {
  const folder = emptyFolder(t);
  const checkpoints = path.join(folder, 'checkpoints');
  const names = ['000004', '000008', '000008-emergency'];
  for (const name of names) cpSync(fixture, path.join(checkpoints, name), { recursive: true });
  const found = async (): Promise<string> => path.basename(await findCheckpoint(folder, folder));
  const latest = (name: string): void => {
    writeFileSync(path.join(checkpoints, 'latest'), `${name}\n`);
  };
  t.is(await found(), '000008', 'none is named: what an emergency save owed comes after it');
  latest('000008-emergency');
  t.is(await found(), '000008-emergency', 'the run had gone back to 8, and was stopped there');
  latest('000008');
  t.is(await found(), '000008');
  latest('000004');
  t.is(await found(), '000008', 'an older one is never taken');

  latest('000008-emergency');
  const rules = { last: 1, every: 0, keep: new Set<string>(), dryRun: true };
  t.deepEqual(
    await rotateCheckpoints(checkpoints, rules),
    ['000004'],
    'the checkpoint that a run resumes from is not pruned',
  );
  await setNewerAside(checkpoints, '000008-emergency', () => t.fail('nothing is newer'));
  latest('000008');
  await setNewerAside(checkpoints, '000008-emergency', () => undefined);
  t.deepEqual(readdirSync(checkpoints).sort(), ['000004', '000008-emergency', '000008.aside', 'latest']);
  rmSync(path.join(checkpoints, '000008-emergency'), { recursive: true });
  t.is(await found(), '000004');
});

test('paths to `latest` and `best` lead to the checkpoints they name', async (t) => {
  const folder = emptyFolder(t);
  const checkpoints = path.join(folder, 'run/checkpoints');
  for (const name of ['000004', '000008']) cpSync(fixture, path.join(checkpoints, name), { recursive: true });
  t.throws(() => findBest('run', folder), { message: /^run has no best checkpoint: no evaluation has chosen one/ });
  writeFileSync(path.join(checkpoints, 'best'), '000004\n');
  t.is(await findCheckpoint('run/checkpoints/best', folder), path.join(checkpoints, '000004'));
  t.is(findBest('run', folder), path.join(checkpoints, '000004'));
  t.throws(() => findBest('run/checkpoints/000008', folder), {
    code: 'ESP_USAGE',
    message: /is a checkpoint: give the run/,
  });
  rmSync(path.join(checkpoints, '000004'), { recursive: true });
  t.throws(() => findBest('run', folder), {
    message: /checkpoints\/best names checkpoint 000004, which no longer exists/,
  });
});
