import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync, mkdirSync, renameSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { emptyFolder, espalier as espalierAlone, type Outcome } from './command.js';
import { espalier } from './warm.js';
import { text, textFolder } from '../text.js';

/** Trains with a plugin of one's own whose listener is written so. */
async function train(t: ExecutionContext, listener: string, run = espalier): Promise<Outcome & { folder: string }> {
  const folder = emptyFolder(t);
  const file = `import { On, Plugin } from 'espalier';

@Plugin({ name: 'mine', summary: 'one of my own' })
export default class Mine {
  ${listener}
}
`;
  writeFileSync(path.join(folder, 'mine.ts'), file);
  const set = ['-s', 'plugins."./mine.ts"=true', '-s', 'train.max_iters=2', '-s', 'plugins.profiler=false'];
  return { folder, ...(await run(folder, 'train', '-p', 'debug', ...set)) };
}

test('an unknown event is refused with the nearest name before anything is created', async (t) => {
  const { code, err, folder } = await train(t, "@On('iteration:ends')\n  look(): void {}");
  t.is(code, 2, err);
  t.regex(err, /mine\.ts.*: look listens to "iteration:ends", which is not an event: did you mean "iteration:end"\?/);
  t.regex(err, /\[ESP_PLUGIN_EVENT\]/);
  t.false(existsSync(path.join(folder, 'runs')));
});

test('an error in a plugin is shown with the line of its file, and is in run.log', async (t) => {
  const { code, err, folder } = await train(t, "@On('iteration:end')\n  look(event: any): void { event.no.such; }");
  t.is(code, 1, err);
  t.regex(err, /plugin mine failed at iteration:end: Cannot read properties of undefined/);
  t.regex(err, /at Mine\.look \(.*mine\.ts:6:/);
  const log = readFileSync(path.join(folder, 'runs/debug/run.log'), 'utf8');
  t.regex(log, / error plugin mine failed at iteration:end: Cannot read/);
});

test('a listener that never ends is named, instead of Node exiting silently', async (t) => {
  for (const event of ['run:setup', 'iteration:end']) {
    const { code, err, folder } = await train(
      t,
      `@On('${event}')\n  wait() { return new Promise(() => {}); }`,
      espalierAlone,
    );
    t.is(code, 1, err);
    t.regex(err, new RegExp(`plugin mine returned a promise from its listener of ${event} that will never settle`));
    t.false(existsSync(path.join(folder, 'runs/debug/lock')));
  }
});

test('turning a misspelled plugin off or on is an error', async (t) => {
  const folder = emptyFolder(t);
  writeFileSync(path.join(folder, 'espalier.config.yaml'), 'extends: [debug]\nplugins:\n  progres: false\n');
  const { code, err } = await espalier(folder, 'train');
  t.is(code, 2, err);
  t.regex(err, /espalier\.config\.yaml:3: key plugins\.progres: there is no plugin "progres".*"progress"/);
  writeFileSync(
    path.join(folder, 'espalier.config.yaml'),
    'extends: [debug]\nplugins:\n  not-installed: false\n  csv:\n  report:\n',
  );
  const { err: said, ...dry } = await espalier(folder, 'train', '--dry-run', '--quiet');
  t.is(dry.code, 0, said);
  const wanted = 'it was not on; write csv: {} to turn it on';
  t.is(said, `espalier.config.yaml:4: key plugins.csv: it is empty, which turns a plugin off, but ${wanted}\n`);
});

test('a run with nothing left to train says so, and how to continue', async (t) => {
  const folder = emptyFolder(t);
  const set = ['-p', 'debug', '-s', 'train.max_iters=1'];
  t.is((await espalier(folder, 'train', ...set)).code, 0);
  const { code, err } = await espalier(folder, 'train', ...set, '--resume');
  t.is(code, 0, err);
  t.regex(err, /nothing is left to train: .*--set train\.max_iters=N/);
});

test('the guide’s model is trained, sampled, evaluated and resumed; a checkpoint without its vocabulary size says so', async (t) => {
  const folder = emptyFolder(t);
  const guide = readFileSync('docs/plugins/model.md', 'utf8');
  const [, bigram = ''] = /```ts\n(\/\/ bigram\.ts\n.*?)```/s.exec(guide) ?? [];
  writeFileSync(path.join(folder, 'bigram.ts'), bigram);
  const config = 'extends: [debug]\nmodel: { use: ./bigram.ts, width: 32 }\ntrain: { max_iters: 4 }\nengine: auto\n';
  writeFileSync(path.join(folder, 'espalier.config.yaml'), config);
  const trained = await espalier(folder, 'train', '-s', 'lr.warmup_iters=1');
  t.is(trained.code, 0, trained.err);
  const sample = await espalier(folder, 'sample', '--prompt', 'the ', '--tokens', '12');
  t.is(sample.code, 0, sample.err);
  t.is(Array.from(sample.out.replace(/\n$/, '')).length, 'the '.length + 12, sample.out);
  const evaluated = await espalier(folder, 'evaluate', '--json');
  t.is(evaluated.code, 0, evaluated.err);
  const resumed = await espalier(folder, 'train', '--resume', '-s', 'train.max_iters=6', '-s', 'lr.warmup_iters=1');
  t.is(resumed.code, 0, resumed.err);

  const checkpoint = path.join(folder, 'runs/debug/checkpoints/000006');
  const described = Buffer.from(JSON.stringify({ model_type: 'bigram' }));
  writeFileSync(path.join(checkpoint, 'config.json'), described);
  const sealed = path.join(checkpoint, 'manifest.json');
  const manifest = JSON.parse(readFileSync(sealed, 'utf8')) as { files: Record<string, object> };
  const sha256 = createHash('sha256').update(described).digest('hex');
  manifest.files['config.json'] = { bytes: described.length, sha256 };
  writeFileSync(sealed, JSON.stringify(manifest));
  const { code, err } = await espalier(folder, 'sample', 'runs/debug/checkpoints/000006');
  t.is(code, 2, err);
  t.regex(err, /000006: config\.json does not give the model's vocab_size \(it is missing\).*ESP_CHECKPOINT_MODEL/);
});

test('a plugin that leaks replaced gradients is named; one that disposes them is not', async (t) => {
  const folder = emptyFolder(t);
  const scaling = (
    name: string,
    old: string,
  ): string => `import { On, Plugin, tf, type GradientsReady } from 'espalier';
@Plugin({ name: '${name}', summary: 'scales gradients' })
export default class Scaling {
  @On('gradients:ready') scale({ gradients }: GradientsReady): void {
    for (const [name, gradient] of gradients) {
      gradients.set(name, tf.tidy(() => tf.mul(gradient, 0.5)));
      ${old}
    }
  }
}
`;
  writeFileSync(path.join(folder, 'careful.ts'), scaling('careful', 'gradient.dispose();'));
  writeFileSync(path.join(folder, 'leaky.ts'), scaling('leaky', ''));
  const args = [
    'train',
    '-p',
    'debug',
    '-s',
    'engine=auto',
    '-s',
    'train.max_iters=90',
    '-s',
    'plugins."./careful.ts"={}',
  ];
  const careful = await espalier(folder, ...args, '-s', 'run.name=careful');
  t.is(careful.code, 0, careful.err);
  t.notRegex(careful.err, /tensors are alive/);
  const leaky = await espalier(folder, ...args, '-s', 'run.name=leaky', '-s', 'plugins."./leaky.ts"={}');
  t.is(leaky.code, 0, leaky.err);
  const warned = [...leaky.err.matchAll(/health: iteration \d+: ([\d,]+) more tensors are alive .* MB\), (.*)$/gm)];
  t.is(warned.length, 1, leaky.err);
  t.regex(warned[0]?.[2] ?? '', /^created by plugin leaky at gradients:ready \([\d,]+\): dispose tensors/);
});

test('the guide’s plugins dispatch and handle an event of their own, which is listed; undeclared it is refused', async (t) => {
  const folder = emptyFolder(t);
  const guide = readFileSync('docs/plugins/feature.md', 'utf8');
  for (const name of ['spike-events', 'spike-finder', 'spike-alarm']) {
    const [, file = ''] = new RegExp(`\`\`\`ts\\n(// ${name}\\.ts\\n[^]*?)\`\`\``).exec(guide) ?? [];
    writeFileSync(path.join(folder, `${name}.ts`), file.replace('1.5 * average', '0.5 * average'));
  }
  const finder = ['-s', 'plugins."./spike-finder.ts"=true'];
  const alarm = ['-s', 'plugins."./spike-alarm.ts"=true'];
  const set = ['-p', 'debug', '-s', 'train.max_iters=3', '-s', 'lr.warmup_iters=1'];
  const both = await espalier(folder, 'train', ...set, ...finder, ...alarm);
  t.is(both.code, 0, both.err);
  t.is(both.err.match(/iteration \d: the loss is 1\.0 times its average/g)?.length, 3, both.err);
  const alone = await espalier(folder, 'train', ...set, ...alarm, '-s', 'run.name=alone');
  t.is(alone.code, 0, alone.err);

  const listed = await espalier(folder, 'events', ...set, ...finder, '--json');
  t.is(listed.code, 0, listed.err);
  t.like(JSON.parse(listed.out)['team:spike'], {
    from: 'spike-finder',
    when: 'when the loss of an iteration is far above its average',
    payload: { iteration: 'iterations done', ratio: 'loss over its average' },
  });

  const undeclared = readFileSync(path.join(folder, 'spike-alarm.ts'), 'utf8').replace(', events })', ' })');
  writeFileSync(path.join(folder, 'spike-alarm.ts'), undeclared);
  const refused = await espalierAlone(folder, 'train', ...set, ...alarm);
  t.is(refused.code, 2, refused.err);
  t.regex(refused.err, /spike-alarm .*: warn listens to "team:spike", which is not an event: .*\[ESP_PLUGIN_EVENT\]/);
});

const flat = `import { LearningRate, Plugin } from 'espalier';
@Plugin({ name: 'flat', summary: 'one rate', slot: 'lr' })
export default class Flat {
  static register(bindings) { bindings.bind(LearningRate, Flat); }
  at(iteration, base) { return base; }
}
`;
const base = `extends: [debug]
lr: ./flat.ts
model: { n_layer: 1, n_embd: 8, block_size: 8 }
train: { max_iters: 4, batch_size: 2 }
plugins: { evaluation: { interval: 0, iters: 1 } }
`;

test('a plugin next to a shared config is found from another folder, and by a resume after both have moved', async (t) => {
  const folder = emptyFolder(t);
  const put = (file: string, content: string): void => {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), content);
  };
  put('proj/shared/flat.ts', flat);
  put('proj/shared/base.yaml', base);
  put('proj/exp/text.txt', text);
  put('proj/exp/espalier.config.yaml', 'extends: ../shared/base.yaml\ndata: { text: text.txt }\n');
  const first = await espalier(path.join(folder, 'proj/exp'), 'train', '--stop-after', '2');
  t.is(first.code, 0, first.err);
  const written = readFileSync(path.join(folder, 'proj/exp/runs/debug/config.yaml'), 'utf8');
  t.regex(written, /\n {2}use: \.\.\/\.\.\/\.\.\/shared\/flat\.ts\n/);

  renameSync(path.join(folder, 'proj'), path.join(folder, 'moved'));
  const more = await espalier(
    folder,
    'train',
    '--resume',
    'moved/exp/runs/debug',
    '-s',
    'data.text=moved/exp/text.txt',
  );
  t.is(more.code, 0, more.err);
  t.regex(more.err, /resuming from .*000002 at iteration 2/);
  t.regex(more.err, /done after 4 iterations; the run is in moved\/exp\/runs\/debug/);
});

const plugin = `import { inject, Logger, Plugin, RunState, type StoredTensor } from 'espalier';
@Plugin({ name: '@me/keeps%2F', summary: 'keeps an array' })
export default class Keeps {
  private got = 'nothing';
  constructor(
    @inject(Logger) private readonly log: Logger,
    @inject(RunState) private readonly run: RunState,
  ) {}
  state(): number {
    return this.run.iteration;
  }
  stateTensors(): ReadonlyMap<string, StoredTensor> {
    if (this.run.iteration === 2) return new Map();
    return new Map([['a/b', { shape: [3, 1], values: Int32Array.of(this.run.iteration, -7, 1) }]]);
  }
  restore(state: unknown): void {
    this.log.info(\`restored \${String(state)}\`);
  }
  restoreTensors(tensors: ReadonlyMap<string, StoredTensor>): void {
    const all = [...tensors].map(([name, { shape, values }]) => \`\${name} [\${String(shape)}] \${String(values)}\`);
    this.log.info(\`tensors: \${all.join() || 'none'}\`);
  }
}
`;

test('arrays saved by a plugin are restored by name after its state; an empty map stays empty', async (t) => {
  const folder = textFolder(t);
  writeFileSync(path.join(folder, 'keeps.ts'), plugin);
  const set = (...settings: string[]): string[] => settings.flatMap((setting) => ['--set', setting]);
  const settings = set('engine=auto', 'data={text: text.txt}', 'run.dir=run', 'plugins={"./keeps.ts": {}}');
  const train = (...more: string[]): ReturnType<typeof espalier> =>
    espalier(folder, 'train', '-p', 'debug', ...settings, ...more);
  const first = await train('--stop-after', '2');
  t.is(first.code, 0, first.err);
  const second = await train('--resume', '--stop-after', '3');
  t.regex(second.err, /restored 2\ntensors: none/);
  const third = await train('--resume', '--stop-after', '1');
  t.is(third.code, 0, third.err);
  t.regex(third.err, /restored 5\ntensors: a\/b \[3,1\] 5,-7,1/);
});
