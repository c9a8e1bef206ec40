import test from 'ava';
import fc from '../../property.js';
import { z } from 'zod';
import { accepted } from '../../../core/config/findings.js';
import { composeConfig, composeStored } from '../../../plugins/configs/layers/compose.js';
import { checkPart } from '../../../core/config/validate.js';
import { configChanges, withChanges } from '../../../plugins/checkpoint/resume/changes.js';
import { checkedCore, compose, folderWith, yaml } from './helpers.js';

const options = z.strictObject({
  notes: z.string().optional(),
  tags: z.array(z.string()).optional(),
  labels: z.record(z.string(), z.string()).optional(),
  dir: z.union([z.string(), z.array(z.string())]).optional(),
  kept: z.string().nullable().optional(),
  top: z.int().optional(),
  loose: z.number().optional(),
  on: z.boolean().optional(),
});
const at = ['plugins', 'w'];

async function checked(t: Parameters<typeof compose>[0], set: string[], lines: string[] = []): Promise<unknown> {
  return accepted(checkPart(options, at, await compose(t, yaml(...lines), { set })));
}

test('a text option takes the scalar as written', async (t) => {
  const written = ['9509425349e4', '0012', '12345678901234567890', '1_000', '0x10', '.5', '2024-01-01', '1e3', 'yes'];
  for (const text of [...written, 'no', 'on', 'off', 'true', 'null', '~', '.inf', '-0', '1.0']) {
    t.deepEqual(await checked(t, [`plugins.w.notes=${text}`]), { notes: text });
    t.deepEqual(await checked(t, [`plugins.w.tags=[${text}, b]`]), { tags: [text, 'b'] });
    t.deepEqual(await checked(t, [`plugins.w.labels={a: ${text}}`]), { labels: { a: text } });
    t.deepEqual(await checked(t, [`plugins.w.dir=${text}`]), { dir: text });
    const lines = ['plugins:', '  w:', `    notes: ${text} # why`, `    tags: [${text}]`, `    dir: [${text}]`];
    t.deepEqual(await checked(t, [], lines), { notes: text, tags: [text], dir: [text] });
  }
  t.deepEqual(await checked(t, ['plugins.w.kept=null']), { kept: null });
  t.deepEqual(await checked(t, ['plugins.w.loose=1e3', 'plugins.w.top=0x10']), { loose: 1000, top: 16 });
});

test('what follows --set KEY= is the value of a text option as typed, unless it is quoted', async (t) => {
  const cwd = await folderWith(t, {});
  const typed = fc
    .oneof(fc.string({ unit: 'binary' }), fc.string(), fc.stringMatching(/^[-[\]{}:#&*!|>'"%@`, a1~?]{1,8}$/))
    .filter((text) => text.trim() !== '' && !/^\s*(?:#.*\s+)?['"]/.test(text) && !text.includes('!!'));
  await fc.assert(
    fc.asyncProperty(typed, async (text) => {
      const composed = await composeConfig({ cwd, presets: [], set: [`plugins.w.notes=${text}`] });
      t.deepEqual(accepted(checkPart(options, at, composed)), { notes: text });
    }),
    { numRuns: 300 },
  );
});

test('quoted text is the same from --set and from YAML', async (t) => {
  const cwd = await folderWith(t, {});
  await fc.assert(
    fc.asyncProperty(fc.string(), async (text) => {
      const composed = await composeConfig({ cwd, presets: [], set: [`plugins.w.notes=${JSON.stringify(text)}`] });
      t.deepEqual(accepted(checkPart(options, at, composed)), { notes: text });
    }),
  );
});

test('text for a number or a flag is an error that shows how to write it', async (t) => {
  const message = async (set: string): Promise<string> =>
    (await t.throwsAsync(checked(t, [`plugins.w.${set}`]))).message.replace('--set: key plugins.w.', '');
  t.is(await message('top=1_000'), 'top: expected number, received string ("1_000"); write 1000');
  t.is(await message('top="4"'), 'top: expected number, received string ("4"); write it without quotes');
  t.is(await message('loose=1e400'), 'loose: expected number, received Infinity (1e400)');
  t.is(await message('loose=.nan'), 'loose: expected number, received NaN (.nan)');
  t.is(await message('top=null'), 'top: expected number, received null (null)');
  t.is(await message('on=yes'), 'on: expected boolean, received string ("yes"); write true');
  t.is(await message('top=[1'), 'top: "[1" is not valid YAML: Flow sequence must end with a ]');
  t.is(await message('top=#5'), 'top: "#5" is not valid YAML: a # starts a comment');
});

test('text values of the core are as written before any schema is applied', async (t) => {
  const { value } = await compose(t, yaml('init: 007', 'run: { name: 1e3, dir: 0x10 }', 'resume: ~'));
  t.deepEqual(value, { init: '007', run: { name: '1e3', dir: '0x10' }, resume: '~' });
});

test('an empty setting is reported, and does not select another plugin', async (t) => {
  const message = async (lines: string[], set: string[] = []): Promise<string> =>
    t.throws(
      () => checkedCore(composed),
      { message: /./ },
      (composed = await compose(t, yaml(...lines), { set })).layers[0],
    ).message;
  let composed = await compose(t, {});
  t.is(await message(['seed:']), 'espalier.config.yaml:1: key seed: it is empty; expected number');
  t.is(await message([], ['seed=']), '--set: key seed: it is empty; expected number');
  t.is(await message([], ['init= ']), '--set: key init: it is empty; expected string');
  t.is(await message([], ['run.name=']), '--set: key run.name: it is empty; expected string');
  t.is(await message([], ['model.use=']), '--set: key model.use: expected the name of a plugin');
  t.is(await message([], ['seed=null']), '--set: key seed: expected number, received null (null)');
  t.regex(await message(['model:', '  use:']), /:2: key model\.use: expected the name of a plugin$/);
  t.regex(await message([], ['model=null']), /^--set: key model: expected the name of a plugin, or a map/);
  t.regex(await message([], ['plugins=null']), /^--set: key plugins: expected a map of plugin names/);
});

test('no --set removes what another sets, in any order', async (t) => {
  const set = ['lr.warmup_iters=5', 'lr.use=linear', 'lr.min_lr=1'];
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray(set, { minLength: 3 }), async (shuffled) => {
      const { value } = await compose(t, {}, { presets: ['debug'], set: shuffled });
      t.deepEqual(value['lr'], { use: 'linear', warmup_iters: 5, min_lr: 1 });
    }),
    { numRuns: 6 },
  );
  const both = await compose(t, {}, { set: ['data.text=a', 'data.dir=b'] });
  t.deepEqual(both.value, { data: { text: 'a', dir: 'b' } });
  t.deepEqual((await compose(t, yaml('data: { text: a }'), { set: ['data.dir=b'] })).value, { data: { dir: 'b' } });
});

test('text that looks like a number stays text when the run is resumed', async (t) => {
  const current = await compose(t, yaml('plugins: { w: { notes: 0012, tags: [1e3] } }'));
  const stored = { plugins: { w: { notes: '0012', tags: ['1e3'] } } };
  t.deepEqual(configChanges(stored, {}, current, []), []);
  const changes = configChanges({ plugins: { w: {} } }, {}, current, []);
  const merged = withChanges({ plugins: { w: {} } }, 'c', current, changes);
  t.deepEqual(accepted(checkPart(options, at, merged)), { notes: '0012', tags: ['1e3'] });
  t.deepEqual(accepted(checkPart(options, at, composeStored(stored, 'c', ['plugins.w.notes=007']))), {
    notes: '007',
    tags: ['1e3'],
  });
});
