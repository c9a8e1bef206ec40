import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { parse } from 'yaml';
import test, { type ExecutionContext } from 'ava';
import { hubFolder, hubModel } from '../../plugins/models/weights/hub.js';
import { transposed } from '../../plugins/models/weights/layout.js';
import { readSafetensors } from '../../plugins/checkpoint/safetensors/read.js';
import { writeSafetensors } from '../../plugins/checkpoint/safetensors/write.js';
import { readGpt2 } from '../plugins/models/gpt2.js';
import { logitsOf } from '../plugins/models/logits.js';
import { textFolder } from '../text.js';
import { trainFrom } from './from-weights.js';
import { espalier } from './warm.js';

/** Made by transformers 5.23 with random weights; `logits.json` is what it computes for the tokens 0 to 15. */
const tiny = path.resolve('test/fixtures/gpt2-tiny');

test('a GPT-2 of transformers gives the same logits as in transformers', async (t) => {
  const folder = textFolder(t);
  const { code, err } = await trainFrom(folder, tiny);
  t.is(code, 0, err);
  const expected = JSON.parse(readFileSync(path.join(tiny, 'logits.json'), 'utf8')) as number[];
  const actual = await logitsOf(t, folder, 'runs/run');
  t.is(actual.length, expected.length);
  t.true(actual.every((value, index) => Math.abs(value - (expected[index] ?? NaN)) < 1e-4));
});

test('the variant with transposed matrices and without the prefix is the same model', async (t) => {
  const folder = textFolder(t);
  const { weights } = await readGpt2(tiny, 24);
  const twin = new Map(
    [...weights].map(([name, tensor]) => [
      name.replace('transformer.', ''),
      /(attn|mlp)\.c_\w+\.weight$/.test(name) ? transposed(tensor) : tensor,
    ]),
  );
  await writeSafetensors(path.join(folder, 'model.safetensors'), twin);
  t.deepEqual((await readGpt2(folder, 24)).weights, weights);
});

test('settings that contradict the weights are refused', async (t) => {
  const folder = textFolder(t);
  const layers = await trainFrom(folder, tiny, 'model.n_layer=3');
  t.is(layers.code, 2);
  t.regex(layers.err, /--set: model\.n_layer is 3, .* need 2 \(.*config\.json\).*ESP_PRETRAINED/);
  t.regex((await trainFrom(folder, tiny, 'model.block_size=25')).err, /has 24 positions/);
  for (const [config, message] of [
    [
      { tie_word_embeddings: false },
      /config\.json is not a GPT-2 that can be loaded.*one matrix for embedding and output head.*tie_word_embeddings/s,
    ],
    [{ model_type: 'bert' }, /config\.json: its model_type is "bert", but the known formats are GPT-2/],
  ] as const) {
    mkdirSync(path.join(folder, 'other'), { recursive: true });
    const whole = JSON.parse(readFileSync(path.join(tiny, 'config.json'), 'utf8')) as object;
    writeFileSync(path.join(folder, 'other/config.json'), JSON.stringify({ ...whole, ...config }));
    const { code, err } = await espalier(folder, 'explain', '--set', 'init=other');
    t.is(code, 2);
    t.regex(err, message);
    t.regex(err, /ESP_PRETRAINED/);
  }
  mkdirSync(path.join(folder, 'pickle'));
  writeFileSync(path.join(folder, 'pickle/config.json'), readFileSync(path.join(tiny, 'config.json')));
  writeFileSync(path.join(folder, 'pickle/pytorch_model.bin'), '');
  t.regex((await trainFrom(folder, 'pickle')).err, /pytorch_model\.bin, which can run code.*save_pretrained/);
});

/** Value and origin of a setting, in lines as `explain` and `--dry-run` print them. */
function shownAt(lines: string, key: string): string | undefined {
  return lines
    .split('\n')
    .find((line) => line.trim().startsWith(`${key} `))
    ?.trim()
    .replace(/\s+/g, ' ');
}

test('values from the weights override presets: explain, --dry-run and the run show the same values and origins', async (t) => {
  const folder = textFolder(t);
  cpSync(tiny, path.join(folder, 'tiny'), { recursive: true });
  const config = 'extends: [debug]\ninit: tiny\ndata: { text: text.txt }\nmodel: { block_size: 16, n_hidden: 64 }\n';
  writeFileSync(path.join(folder, 'a.yaml'), `${config}train: { max_iters: 1 }\nrun: { name: a }\n`);
  const expected = {
    'model.n_layer': `model.n_layer 2 # ${path.join('tiny', 'config.json')}`,
    'model.n_embd': `model.n_embd 16 # ${path.join('tiny', 'config.json')}`,
    'model.rotary': `model.rotary false # ${path.join('tiny', 'config.json')}`,
    'model.n_hidden': 'model.n_hidden 64 # a.yaml:4',
    'model.block_size': 'model.block_size 16 # a.yaml:4',
  };
  const commands = [['explain'], ['train', '--dry-run'], ['train']];
  for (const command of commands) {
    const { code, out, err } = await espalier(folder, ...command, '-c', 'a.yaml', '--set', 'engine=auto');
    t.is(code, 0, err);
    if (command.length === 1 && command[0] === 'train') continue;
    for (const [key, line] of Object.entries(expected)) t.is(shownAt(out, key), line, command.join(' '));
  }
  const { model } = parse(readFileSync(path.join(folder, 'runs/a/config.yaml'), 'utf8')) as {
    model: Record<string, unknown>;
  };
  t.like(model, { n_layer: 2, n_embd: 16, n_head: 2, rotary: false, n_hidden: 64, block_size: 16, vocab_size: 48 });

  for (const [setting, line] of [
    ['n_layer: 5', /a\.yaml:4: model\.n_layer is 5, .* need 2 \(tiny.config\.json\)/],
    ['rotary: true', /a\.yaml:4: model\.rotary is true, .* need false \(tiny.config\.json\)/],
    ['block_size: 25', /a\.yaml:4: model\.block_size is 25, .*has 24 positions/],
    ['n_hidden: 63', /a\.yaml:4: model\.n_hidden is 63, .* need null/],
  ] as const) {
    writeFileSync(path.join(folder, 'a.yaml'), config.replace(/model: .*/, `model: { ${setting} }`));
    const command = setting.startsWith('n_layer') ? ['train', '--dry-run'] : ['explain'];
    const { code, err } = await espalier(folder, ...command, '-c', 'a.yaml');
    t.is(code, 2);
    t.regex(err, line);
  }
});

test('a folder chooses the model plugin: a preset’s gives way with what that one lacks, the user’s is refused', async (t) => {
  const folder = textFolder(t);
  mkdirSync(path.join(folder, 'mistral'));
  const described = {
    ...{ model_type: 'mistral', vocab_size: 48, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 3 },
    ...{ num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 64, sliding_window: 20 },
  };
  writeFileSync(path.join(folder, 'mistral/config.json'), JSON.stringify(described));
  const explain = (...settings: string[]) =>
    espalier(
      folder,
      ...['explain', '--preset', 'char-small', '--preset', 'lora', 'model'],
      ...['init=mistral', 'data.text=text.txt', ...settings].flatMap((each) => ['--set', each]),
    );
  const { code, out, err } = await explain('model.dropout=0.5');
  t.is(code, 0, err);
  const from =
    (place: string) =>
    (line: string): string =>
      `model.${line} # ${place}`;
  const ofFolder = ['use llama', 'n_layer 3', 'n_kv_head 2', 'head_dim 4', 'norm_epsilon 0.000001', 'block_size 20'];
  const expected = [
    ...ofFolder.map(from(path.join('mistral', 'config.json'))),
    ...['attn_lora_rank 8', 'lora_alpha 16', 'trained lora'].map(from('presets/lora.yaml:2')),
    ...['dropout 0.5'].map(from('--set')),
    ...['mlp_lora_rank 0'].map(from('default')),
  ];
  for (const line of expected) t.is(shownAt(out, line.split(' ')[0] ?? ''), line);
  t.is(shownAt(out, 'model.bias'), undefined);

  for (const [setting, message] of [
    ['model.use=gpt', /--set: model\.use is "gpt", .* are for a Llama and need "llama" \(mistral.config\.json\)/],
    ['model.n_kv_head=4', /--set: model\.n_kv_head is 4, .* need 2 \(mistral.config\.json\)/],
    ['model.block_size=21', /model\.block_size is 21, and mistral.config\.json has a sliding window of 20 tokens/],
    ['model.bias=true', /--set: unknown key "bias" in model/],
  ] as const) {
    const refused = await explain(setting);
    t.is(refused.code, 2, setting);
    t.regex(refused.err, message);
  }
  t.is((await explain('model.use=llama', 'model.block_size=20')).code, 0);
});

test.serial('explain shows the shape of a Hub model that is not downloaded', async (t) => {
  const folder = textFolder(t);
  hubEnvironment(t, folder, {});
  const { code, out, err } = await espalier(folder, 'explain', '-p', 'lora-finetune', '-p', 'debug', 'model');
  t.is(code, 0, err);
  t.regex(shownAt(out, 'model.n_embd') ?? '', /^model\.n_embd 768 # gpt2\/config\.json of the Hugging Face Hub/);
});

test('checkpoint weights that would compute something else are refused, with the differences', async (t) => {
  const folder = textFolder(t);
  t.is((await trainFrom(folder, 'scratch', 'run.name=from')).code, 0);
  for (const [setting, message] of [
    ['model.rotary=true', /no place for transformer\.wpe\.weight/],
    ['model.n_head=4', /n_head is 2 there and 4 here/],
    ['model.bias=true', /transformer\.h\.0\.ln_1\.bias is missing there/],
    ['model.activation=gelu_tanh', /activation_function is "gelu" there and "gelu_new" here/],
  ] as const) {
    const { code, err } = await trainFrom(folder, 'runs/from', setting);
    t.is(code, 2, setting);
    t.regex(err, message);
    t.regex(err, /ESP_CHECKPOINT_MODEL/);
  }
  t.is((await trainFrom(folder, 'runs/from', 'model.block_size=8')).code, 0);
});

test('unknown tensors in a GPT-2 file are named', async (t) => {
  const folder = textFolder(t);
  const stored = await readSafetensors(path.join(tiny, 'model.safetensors'));
  mkdirSync(path.join(folder, 'classifier'));
  cpSync(path.join(tiny, 'config.json'), path.join(folder, 'classifier/config.json'));
  const score = { shape: [2, 16], values: new Float32Array(32) };
  const lacking = [...stored].filter(([name]) => name !== 'transformer.ln_f.bias');
  await writeSafetensors(
    path.join(folder, 'classifier/model.safetensors'),
    new Map([...lacking, ['score.weight', score]]),
  );
  const { code, err } = await trainFrom(folder, 'classifier');
  t.is(code, 2);
  t.regex(err, /transformer\.ln_f\.bias is missing there, this model has no place for score\.weight/);
});

const COMMIT = 'c'.repeat(40);

interface Hub {
  readonly url: string;
  /** `METHOD FILE`, with the range that was asked for. */
  readonly requests: string[];
}

/** A server of the tiny model's files, as the Hub's, that breaks off its first answer for the weights. */
async function hub(t: ExecutionContext): Promise<Hub> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const name = path.basename(request.url ?? '');
    const { range = '' } = request.headers;
    requests.push(`${request.method ?? ''} ${name} ${range}`.trim());
    if (request.url === `/openai-community/gpt2/resolve/main/${name}` && name === 'config.json') {
      response.writeHead(307, { location: `/elsewhere/${name}` }).end();
      return;
    }
    if (!existsSync(path.join(tiny, name))) {
      response.writeHead(404).end();
      return;
    }
    const content = readFileSync(path.join(tiny, name));
    const etag =
      name === 'config.json' ? { etag: `"${gitHash(content)}"` } : { 'x-linked-etag': `"${sha256(content)}"` };
    const from = Number(/bytes=(\d+)-/.exec(range)?.[1] ?? 0);
    const headers = { ...etag, 'x-repo-commit': COMMIT, 'content-length': content.length - from };
    response.writeHead(range === '' ? 200 : 206, headers);
    if (request.method === 'HEAD') response.end();
    else if (name === 'model.safetensors' && range === '') {
      response.write(content.subarray(0, 1000));
      setTimeout(() => response.destroy(), 50);
    } else response.end(content.subarray(from));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.teardown(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

const sha256 = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');
const gitHash = (content: Uint8Array): string =>
  createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');

/** Sets variables of the environment for one test; the cache is in its folder. @returns the folder of the model there */
function hubEnvironment(t: ExecutionContext, folder: string, more: Record<string, string>): string {
  const home = path.join(folder, 'huggingface');
  const set = { HF_HOME: home, HF_HUB_CACHE: '', HUGGINGFACE_HUB_CACHE: '', ...more };
  const before = Object.fromEntries(Object.keys(set).map((name) => [name, process.env[name]]));
  Object.assign(process.env, set);
  t.teardown(() => {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
  });
  return path.join(home, 'hub/models--openai-community--gpt2');
}

test.serial(
  'a Hub model is downloaded into the shared cache, resumed after an interruption, and compared',
  async (t) => {
    const folder = textFolder(t);
    const { url, requests } = await hub(t);
    const cache = hubEnvironment(t, folder, { HF_ENDPOINT: url });
    const told: string[] = [];
    const get = () => hubModel('gpt2', (line) => told.push(line));
    await t.throwsAsync(get(), {
      code: 'ESP_PRETRAINED_DOWNLOAD',
      message: /into .*models--openai-community--gpt2: .*try again, or put config\.json.* set init to its path/,
    });
    t.is(hubFolder('gpt2'), undefined, 'half of a model is not a model');
    const found = await get();
    t.deepEqual(
      requests.filter((request) => request.startsWith('GET')),
      // The first leads to another place.
      ['GET config.json', 'GET config.json', 'GET model.safetensors', 'GET model.safetensors bytes=1000-'],
    );
    t.true(told.some((line) => line.includes('from byte 1000')));
    t.true(told.some((line) => line.includes('100%')));
    t.is(found, path.join(cache, 'snapshots', COMMIT));
    t.is(hubFolder('gpt2'), found);
    t.is(readFileSync(path.join(cache, 'refs/main'), 'utf8'), COMMIT);
    for (const name of ['config.json', 'model.safetensors']) {
      t.deepEqual(readFileSync(path.join(found, name)), readFileSync(path.join(tiny, name)));
    }
    requests.splice(0);
    t.is(await get(), found);
    t.deepEqual(requests, [], 'what is there is not asked for');

    rmSync(cache, { recursive: true });
    const weights = path.join(
      cache,
      'blobs',
      `${sha256(readFileSync(path.join(tiny, 'model.safetensors')))}.incomplete`,
    );
    mkdirSync(path.dirname(weights), { recursive: true });
    writeFileSync(weights, Buffer.alloc(500));
    await t.throwsAsync(get(), { message: /SHA-256 differs/ });
    t.false(existsSync(weights), 'it is not resumed again');
  },
);

test.serial('a model in the shared cache is used without network access', async (t) => {
  const folder = textFolder(t);
  const cache = hubEnvironment(t, folder, { HF_ENDPOINT: 'http://127.0.0.1:1', HF_HUB_OFFLINE: '1' });
  await t.throwsAsync(
    hubModel('gpt2', () => undefined),
    { code: 'ESP_PRETRAINED_DOWNLOAD', message: /HF_HUB_OFFLINE is set/ },
  );
  const snapshot = path.join(cache, 'snapshots', COMMIT);
  cpSync(tiny, snapshot, { recursive: true });
  mkdirSync(path.join(cache, 'refs'));
  writeFileSync(path.join(cache, 'refs/main'), COMMIT);
  t.is(await hubModel('gpt2', () => undefined), snapshot);
  const { code, err } = await trainFrom(folder, 'gpt2');
  t.is(code, 0, err);
  t.true(err.includes(`weights from ${snapshot}`), err);
});

test.serial('a sharded model is downloaded by owner and name, with its index and its tokenizer', async (t) => {
  const folder = textFolder(t);
  const tensors = await readSafetensors(path.join(tiny, 'model.safetensors'));
  const remote = path.join(folder, 'remote');
  mkdirSync(remote);
  const shard = (part: number): string => `model-0000${part + 1}-of-00002.safetensors`;
  for (const part of [0, 1]) {
    await writeSafetensors(path.join(remote, shard(part)), new Map([...tensors].filter((_, i) => i % 2 === part)));
  }
  const placed = Object.fromEntries([...tensors.keys()].map((name, i) => [name, shard(i % 2)]));
  writeFileSync(path.join(remote, 'model.safetensors.index.json'), JSON.stringify({ weight_map: placed }));
  cpSync(path.join(tiny, 'config.json'), path.join(remote, 'config.json'));
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) writeFileSync(path.join(remote, name), `"${name}"`);
  const server = createServer((request, response) => {
    const { method, url = '', headers } = request;
    const file = path.join(remote, path.basename(url));
    if (url.startsWith('/team/gated/')) response.writeHead(401).end();
    else if (!url.startsWith('/team/sharded-1.0/resolve/main/') || !existsSync(file)) response.writeHead(404).end();
    else {
      t.is(headers.authorization, 'Bearer of-mine');
      const content = readFileSync(file);
      const facts = { etag: `"${gitHash(content)}"`, 'x-repo-commit': COMMIT, 'content-length': content.length };
      response.writeHead(200, facts).end(method === 'HEAD' ? undefined : content);
    }
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.teardown(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  hubEnvironment(t, folder, { HF_ENDPOINT: url, HF_TOKEN: 'of-mine' });

  const offline = await espalier(folder, 'explain', '--set', 'init=team/sharded-1.0', '--set', 'data.text=text.txt');
  t.is(offline.code, 2);
  t.regex(offline.err, /team\/sharded-1\.0 is neither an existing path nor .*hf download team.*ESP_PRETRAINED/);
  const { code, err } = await trainFrom(folder, 'team/sharded-1.0');
  t.is(code, 0, err);
  const snapshot = path.join(folder, 'huggingface/hub/models--team--sharded-1.0/snapshots', COMMIT);
  t.true(err.includes(`weights from ${snapshot}`), err);
  t.true(err.includes(`tokenizer of team/sharded-1.0: ${path.join(snapshot, 'tokenizer.json')}`), err);
  t.is(readFileSync(path.join(snapshot, 'tokenizer_config.json'), 'utf8'), '"tokenizer_config.json"');
  t.false(existsSync(path.join(snapshot, 'chat_template.jinja')));
  const settings = ['init=team/sharded-1.0', 'data.text=text.txt'].flatMap((each) => ['--set', each]);
  const { out } = await espalier(folder, 'explain', '--preset', 'debug', ...settings, 'model');
  t.regex(shownAt(out, 'model.n_embd') ?? '', /^model\.n_embd 16 # team\/sharded-1\.0\/config\.json of the Hugging/);

  const fails = (name: string, message: RegExp): Promise<unknown> =>
    t.throwsAsync(
      hubModel(name, () => undefined),
      { code: 'ESP_PRETRAINED_DOWNLOAD', message },
    );
  await fails('team/gated', /init: team\/gated is not a folder here, and .* answered 401: .*set HF_TOKEN/);
  await fails('team/nothing', /answered 404: there is no such file or model/);
});

test.serial('what may be a path is not searched for on the Hub', async (t) => {
  const folder = textFolder(t);
  hubEnvironment(t, folder, { HF_ENDPOINT: 'http://127.0.0.1:1' });
  mkdirSync(path.join(folder, 'models'));
  for (const init of ['runs/nope', 'models/nope', './team/model', 'team/model/more', 'a/../b']) {
    t.regex(
      (await trainFrom(folder, init)).err,
      /(?:has no checkpoint|does not exist).*ESP_CHECKPOINT_NOT_FOUND/,
      init,
    );
  }
  t.regex((await trainFrom(folder, 'team/model')).err, /ESP_PRETRAINED_DOWNLOAD/);
  t.regex(
    (await trainFrom(folder, 'gpt3')).err,
    /gpt3 is neither .* nor a known model; .* with its owner.*ESP_PRETRAINED/,
  );
});
