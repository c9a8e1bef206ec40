import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from '../../property.js';
import { huggingFaceGpt2 } from '../../../plugins/models/gpt/format.js';
import { findFolder } from '../../../plugins/models/weights/find.js';
import { tensorNames } from '../../../plugins/models/weights/names.js';
import { readGpt2 } from './gpt2.js';
import { readSafetensors } from '../../../plugins/checkpoint/safetensors/read.js';
import { emptyFolder } from '../../e2e/command.js';
import { writeRaw, type RawTensor } from '../checkpoint/raw.js';

const tiny = path.resolve('test/fixtures/gpt2-tiny');
const BLOCK = 24;

/** The tensors in the fixture's file. */
async function stored(): Promise<Map<string, RawTensor>> {
  const tensors = await readSafetensors(path.join(tiny, 'model.safetensors'));
  return new Map(
    [...tensors].map(([name, { shape, values }]) => [name, { dtype: 'F32', shape, bytes: bytesOf(values) }]),
  );
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array | Float64Array | Int32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

const floatsOf = ({ bytes }: RawTensor): Float32Array => new Float32Array(bytes.slice().buffer);

/** Returns a folder with the fixture's config.json and these tensors. */
function folderOf(t: ExecutionContext, tensors: ReadonlyMap<string, RawTensor>): string {
  const folder = emptyFolder(t);
  cpSync(path.join(tiny, 'config.json'), path.join(folder, 'config.json'));
  writeRaw(path.join(folder, 'model.safetensors'), tensors);
  return folder;
}

/** The same in two shards with an index. */
function sharded(t: ExecutionContext, tensors: ReadonlyMap<string, RawTensor>): string {
  const folder = folderOf(t, new Map());
  rmSync(path.join(folder, 'model.safetensors'));
  const weightMap: Record<string, string> = {};
  for (const part of [0, 1]) {
    const file = `model-0000${String(part + 1)}-of-00002.safetensors`;
    const own = [...tensors].filter((_, i) => i % 2 === part);
    writeRaw(path.join(folder, file), new Map(own));
    for (const [name] of own) weightMap[name] = file;
  }
  writeIndex(folder, weightMap);
  return folder;
}

function writeIndex(folder: string, weightMap: unknown): void {
  // With a byte order mark, as some editors write it.
  writeFileSync(
    path.join(folder, 'model.safetensors.index.json'),
    '\ufeff' + JSON.stringify({ weight_map: weightMap }),
  );
}

const renamed = (tensors: ReadonlyMap<string, RawTensor>, name: (before: string) => string): Map<string, RawTensor> =>
  new Map([...tensors].map(([before, tensor]) => [name(before), tensor]));

const head = 'lm_head.weight';
const embedding = 'transformer.wte.weight';

async function sameAsFixture(t: ExecutionContext, folder: string): Promise<readonly string[]> {
  const { weights, notes } = await readGpt2(folder, BLOCK);
  const expected = (await readGpt2(tiny, BLOCK)).weights;
  t.deepEqual([...weights.keys()].sort(), [...expected.keys()].sort());
  for (const [name, tensor] of expected) t.deepEqual(weights.get(name), tensor, name);
  return notes;
}

async function refused(t: ExecutionContext, folder: string, message: RegExp, code = 'ESP_PRETRAINED'): Promise<void> {
  const error = await t.throwsAsync(readGpt2(folder, BLOCK), { code, message });
  t.true(error.message.includes(folder), error.message);
}

test('shards with an index are one model', async (t) => {
  await sameAsFixture(t, sharded(t, await stored()));
});

for (const prefix of ['_orig_mod.', 'module.', 'model.', 'base_model.', 'module._orig_mod.', 'student.']) {
  test(`the prefix ${prefix} is removed from names, and logged`, async (t) => {
    const tensors = await stored();
    t.deepEqual(
      await sameAsFixture(
        t,
        folderOf(
          t,
          renamed(tensors, (name) => prefix + name),
        ),
      ),
      [`the prefixes ${prefix} are removed from names`],
    );
    const bare = renamed(tensors, (name) => prefix + name.replace('transformer.', ''));
    await sameAsFixture(t, folderOf(t, bare));
  });
}

test('the names of a compiled block are read without its prefix', async (t) => {
  const tensors = renamed(await stored(), (name) => name.replace(/^(transformer\.h\.\d+\.)/, '$1_orig_mod.'));
  await sameAsFixture(t, folderOf(t, tensors));
});

test('the names of all weights survive any mix of wrappers', (t) => {
  const { names } = huggingFaceGpt2;
  if (names === undefined) throw new Error('GPT-2 has names');
  const wrappers = fc.array(fc.constantFrom('_orig_mod.', 'module.', 'model.', 'base_model.'), { maxLength: 4 });
  const parts = ['wte.weight', 'wpe.weight', 'h.0.attn.c_attn.weight', 'h.11.mlp.c_fc.bias', 'ln_f.weight'];
  fc.assert(
    fc.property(wrappers, fc.constantFrom('transformer.', ''), (wrapped, inner) => {
      const prefix = wrapped.join('');
      const given = [...parts.map((name) => prefix + inner + name), `${prefix}${head}`, `${prefix}score.weight`];
      t.deepEqual(
        tensorNames(given, names).map(({ name }) => name),
        [...parts.map((name) => `transformer.${name}`), head, `${prefix}score.weight`],
      );
    }),
  );
});

test('a head equal to the embedding is accepted under either name; another is refused', async (t) => {
  const tensors = await stored();
  const tied = tensors.get(embedding);
  if (tied === undefined) throw new Error('the fixture has no embedding');
  await sameAsFixture(t, folderOf(t, new Map([...tensors, [head, tied]])));
  await sameAsFixture(
    t,
    folderOf(
      t,
      renamed(tensors, (name) => (name === embedding ? head : name)),
    ),
  );
  const values = floatsOf(tied);
  values[5] = 7;
  const other = new Map([...tensors, [head, { ...tied, bytes: bytesOf(values) }]]);
  await refused(t, folderOf(t, other), /lm_head\.weight differs from transformer\.wte\.weight.*tie/);
  const longer = { dtype: 'F32', shape: [1, 16], bytes: new Uint8Array(64) };
  await refused(t, folderOf(t, new Map([...tensors, [head, longer]])), /lm_head\.weight differs/);
});

test('F64 is rounded to float32 and logged; 8-bit weights are refused with how to convert them', async (t) => {
  const tensors = await stored();
  const doubled = [...tensors].map(([name, tensor]): [string, RawTensor] => [
    name,
    { dtype: 'F64', shape: tensor.shape, bytes: bytesOf(Float64Array.from(floatsOf(tensor))) },
  ]);
  const [note = ''] = await sameAsFixture(t, folderOf(t, new Map(doubled)));
  t.regex(note, /28 tensors are F64 and are rounded/);
  const beyond = { dtype: 'F64', shape: [16], bytes: bytesOf(new Float64Array(16).fill(1e300)) };
  const large = new Map([...tensors, ['transformer.ln_f.bias', beyond]]);
  await refused(t, folderOf(t, large), /transformer\.ln_f\.bias has 1e\+300, .*float32/, 'ESP_SAFETENSORS');
  for (const dtype of ['F8_E4M3', 'F8_E5M2', 'I8', 'BOOL']) {
    const eight = { dtype, shape: [16], bytes: new Uint8Array(16) };
    const folder = folderOf(t, new Map([...tensors, ['transformer.ln_f.bias', eight]]));
    await refused(t, folder, new RegExp(`transformer\\.ln_f\\.bias as ${dtype}.*float\\(\\)\\.save_pretrained`));
  }
});

test('causal masks are skipped and logged; a bias of that name is a weight', async (t) => {
  const mask = { dtype: 'BOOL', shape: [1, 1, 24, 24], bytes: new Uint8Array(576) };
  const name = 'transformer.h.0.attn.bias';
  const notes = await sameAsFixture(t, folderOf(t, new Map([...(await stored()), [name, mask]])));
  t.deepEqual(notes, ['1 causal masks are skipped (transformer.h.0.attn.bias, …)']);
  const bias = { dtype: 'F32', shape: [16], bytes: new Uint8Array(64) };
  const { weights } = await readGpt2(folderOf(t, new Map([...(await stored()), [name, bias]])), BLOCK);
  t.true(weights.has(name));
});

test('two tensors for one weight are refused, naming both', async (t) => {
  const tensors = await stored();
  const norm = tensors.get('transformer.ln_f.weight');
  if (norm === undefined) throw new Error('the fixture has no last norm');
  const folder = folderOf(t, new Map([...tensors, ['module.ln_f.weight', norm]]));
  await refused(t, folder, /transformer\.ln_f\.weight and module\.ln_f\.weight/);
});

test('an index that contradicts its shards is refused, naming the contradiction', async (t) => {
  const tensors = await stored();
  const [first, second] = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
  const names = [...tensors.keys()];
  const right = Object.fromEntries(names.map((name, i) => [name, i % 2 === 0 ? first : second]));
  const code = 'ESP_SAFETENSORS';
  const folder = sharded(t, tensors);
  writeIndex(folder, { ...right, [names[0] ?? '']: second });
  await refused(t, folder, new RegExp(`${names[0] ?? ''} is in ${second}, but it is in ${first}`), code);
  writeIndex(folder, { ...right, 'h.9.weight': second });
  await refused(t, folder, /h\.9\.weight is in .*, but no shard has it/, code);
  for (const map of [{}, undefined, { a: '../x' }, { a: 3 }]) {
    writeIndex(folder, map);
    await refused(t, folder, /index\.json is not a shard index.*weight_map/, code);
  }
  writeFileSync(path.join(folder, 'model.safetensors.index.json'), '{');
  await refused(t, folder, /index\.json is not a shard index/, code);

  writeIndex(folder, right);
  const whole = readFileSync(path.join(folder, second));
  writeFileSync(path.join(folder, second), whole.subarray(0, -8));
  await refused(t, folder, new RegExp(`${second}: .*cut short`), code);
  writeRaw(path.join(folder, second), tensors);
  await refused(t, folder, /is in both .*00001-of-00002.* and .*00002-of-00002/, code);
  rmSync(path.join(folder, second));
  await refused(t, folder, new RegExp(`names ${second}, which is missing`), code);
  rmSync(path.join(folder, 'model.safetensors.index.json'));
  await refused(t, folder, /shards of weights .* no model\.safetensors\.index\.json/);
});

test('a folder without readable weights is refused, saying what it has and what to do', async (t) => {
  const cases: [string[], RegExp][] = [
    [[], /config\.json but no weights; put model\.safetensors/],
    [['pytorch_model.bin'], /pytorch_model\.bin, which can run code.*save_pretrained/],
    [['pytorch_model.bin.index.json', 'pytorch_model-00001-of-00002.bin'], /which can run code.*save_pretrained/],
    [['adapter_config.json', 'adapter_model.safetensors'], /only an adapter.*merge/],
    [['model.gguf'], /has model\.gguf, but no model\.safetensors/],
  ];
  for (const [files, message] of cases) {
    const folder = emptyFolder(t);
    for (const file of ['config.json', ...files]) writeFileSync(path.join(folder, file), '{}');
    await refused(t, folder, message);
  }
});

test('init takes a folder with config.json; near misses are refused, saying what they are', async (t) => {
  const folder = emptyFolder(t);
  const find = async (init: string): Promise<string | undefined> =>
    (await findFolder(init, { cwd: folder }))?.origin.file;
  const refuse = (init: string, message: RegExp): Promise<unknown> =>
    t.throwsAsync(find(init), { code: 'ESP_PRETRAINED', message });
  t.is(await find(tiny), path.join(tiny, 'config.json'));
  t.is(await find('.'), undefined);
  await refuse('nowhere', /neither an existing path nor a known model; .* with its owner/);
  await refuse(path.join(tiny, 'model.safetensors'), /is a file; give the folder/);
  mkdirSync(path.join(folder, 'weights'));
  writeFileSync(path.join(folder, 'weights/model.safetensors'), '');
  await refuse('weights', /model\.safetensors but no config\.json/);
  mkdirSync(path.join(folder, 'models--a--b/snapshots/0abc'), { recursive: true });
  await refuse('models--a--b', /cache; give one version in it: models--a--b.snapshots.0abc/);
});
