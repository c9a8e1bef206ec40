import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { hubModel } from '../../core/checkpoint/hub.js';
import { readPretrained } from '../../core/checkpoint/pretrained.js';
import { transposed } from '../../core/checkpoint/gpt2-layout.js';
import { writeSafetensors } from '../../core/formats/safetensors-write.js';
import { logitsOf } from '../core/checkpoint/logits.js';
import { textFolder } from '../core/run/debug-run.js';
import { espalier } from './command.js';

/** Made by transformers 5.23 with random weights; `logits.json` is what it computes for the tokens 0 to 15. */
const tiny = path.resolve('test/fixtures/gpt2-tiny');

const train = (folder: string, init: string, ...settings: string[]) =>
  espalier(
    folder,
    ...['train', '--preset', 'debug', '--force', '--set', `init=${init}`],
    ...[
      'engine=auto',
      'precision=f32',
      'data.text=text.txt',
      'run.name=run',
      'model.block_size=16',
      'train.max_iters=1',
      'optimizer.learning_rate=0',
      'lr.min_lr=0',
      ...settings,
    ].flatMap((each) => ['--set', each]),
  );

test('a GPT-2 of transformers gives the logits that transformers gives', async (t) => {
  const folder = textFolder(t);
  const { code, err } = await train(folder, tiny);
  t.is(code, 0, err);
  const expected = JSON.parse(readFileSync(path.join(tiny, 'logits.json'), 'utf8')) as number[];
  const actual = await logitsOf(t, folder, 'runs/run');
  t.is(actual.length, expected.length);
  t.true(actual.every((value, index) => Math.abs(value - (expected[index] ?? NaN)) < 1e-4));
});

test('the twin with matrices the other way round, and without the prefix, is the same model', async (t) => {
  const folder = textFolder(t);
  const { weights } = await readPretrained(tiny, 24);
  const twin = new Map(
    [...weights].map(([name, tensor]) => [
      name.replace('transformer.', ''),
      /(attn|mlp)\.c_\w+\.weight$/.test(name) ? transposed(tensor) : tensor,
    ]),
  );
  await writeSafetensors(path.join(folder, 'model.safetensors'), twin);
  t.deepEqual((await readPretrained(folder, 24)).weights, weights);
});

test('what the weights cannot be is refused', async (t) => {
  const folder = textFolder(t);
  const layers = await train(folder, tiny, 'model.n_layer=3');
  t.is(layers.code, 2);
  t.regex(layers.err, /model\.n_layer=3.*ESP_PRETRAINED/s);
  t.regex((await train(folder, tiny, 'model.block_size=25')).err, /has 24 positions/);
  mkdirSync(path.join(folder, 'pickle'));
  writeFileSync(path.join(folder, 'pickle/config.json'), readFileSync(path.join(tiny, 'config.json')));
  writeFileSync(path.join(folder, 'pickle/pytorch_model.bin'), '');
  t.regex((await train(folder, 'pickle')).err, /pytorch_model\.bin alone/);
});

/** A server of the tiny model's files that breaks off its first answer for the weights. */
async function hub(t: ExecutionContext): Promise<{ url: string; ranges: string[] }> {
  const ranges: string[] = [];
  const server = createServer((request, response) => {
    const name = path.basename(request.url ?? '');
    const content = readFileSync(path.join(tiny, name));
    const sha256 = createHash('sha256').update(content).digest('hex');
    const range = request.headers.range;
    const from = Number(/bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0);
    const headers = { 'x-linked-etag': `"${sha256}"`, 'content-length': content.length - from };
    response.writeHead(range === undefined ? 200 : 206, headers);
    if (request.method === 'HEAD') response.end();
    else if (name === 'model.safetensors' && range === undefined) {
      response.write(content.subarray(0, 1000));
      setTimeout(() => response.destroy(), 50);
    } else response.end(content.subarray(from));
    if (range !== undefined) ranges.push(range);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.teardown(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, ranges };
}

test.serial('a Hub model is downloaded, gone on with after an interruption, and compared', async (t) => {
  const folder = textFolder(t);
  const { url, ranges } = await hub(t);
  process.env['HF_ENDPOINT'] = url;
  process.env['ESPALIER_CACHE'] = path.join(folder, 'cache');
  t.teardown(() => {
    delete process.env['HF_ENDPOINT'];
    delete process.env['ESPALIER_CACHE'];
  });
  const told: string[] = [];
  const get = () => hubModel('gpt2', (line) => told.push(line));
  await t.throwsAsync(get(), {
    code: 'ESP_PRETRAINED_DOWNLOAD',
    message: /try again, or put config\.json.* into .*cache/,
  });
  const found = await get();
  t.deepEqual(ranges, ['bytes=1000-']);
  t.true(told.some((line) => line.includes('from byte 1000')));
  t.true(told.some((line) => line.includes('100%')));
  t.deepEqual(readFileSync(path.join(found, 'model.safetensors')), readFileSync(path.join(tiny, 'model.safetensors')));

  rmSync(path.join(found, 'model.safetensors'));
  writeFileSync(path.join(found, 'model.safetensors.part'), Buffer.alloc(500));
  await t.throwsAsync(get(), { message: /SHA-256 differs/ });
});
