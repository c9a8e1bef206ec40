import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { textFolder } from '../text.js';
import { espalier } from './warm.js';

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

test('arrays that a plugin keeps come back under their names, after its state; none is none', async (t) => {
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
