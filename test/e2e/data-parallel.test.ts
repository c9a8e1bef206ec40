import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { probeEngines, shortName } from '../../plugins/engines/choice/choice.js';
import { commandFile, espalier as espalierAlone } from './command.js';
import { espalier } from './warm.js';
import { type Mpi, mpi, mpiLauncher, needing } from '../needs.js';
import { command, losses, outcome, ranksFolder } from './ranks.js';

const engines = (await probeEngines()).filter(({ probe }) => probe.works).map(({ plugin }) => shortName(plugin));
const engine = engines.includes('native') ? 'native' : 'cpu';
const MPIS = ['Open MPI', 'MPICH'] as const;
const found = new Map<Mpi, string>(
  MPIS.flatMap((name) => {
    const file = mpiLauncher(name);
    return file === undefined ? [] : [[name, file]];
  }),
);
/** The first that is here: it does not matter which. */
const [some = 'Open MPI'] = found.keys();
const launcher = found.get(some) ?? 'mpirun';
const withMpi = needing(mpi(some)).serial;

/** A run of 12 iterations, a checkpoint every 4, an evaluation every 6. */
function training(run: string, batchSize: number, ...more: string[]): string[] {
  const settings = [
    `engine=${engine}`,
    'precision=f32',
    'data.text=text.txt',
    'model={n_layer: 1, n_head: 2, n_embd: 16, block_size: 16, dropout: 0.1}',
    `train={max_iters: 12, batch_size: ${String(batchSize)}, gradient_accumulation_steps: 2}`,
    'plugins={evaluation: {interval: 6, iters: 2}, checkpoint: {interval: 4}, training-metrics: {interval: 1}, batch-digest: {}, "./fault.ts": {}}',
    `run.dir=${run}`,
    ...more,
  ];
  return ['train', '--preset', 'debug', ...settings.flatMap((setting) => ['--set', setting])];
}

for (const name of MPIS) {
  const file = found.get(name) ?? name;
  const launch = (ranks: number, ...args: string[]): string[] => [
    'launch',
    '--mpirun',
    file,
    '-n',
    String(ranks),
    ...args,
  ];

  needing(mpi(name)).serial(
    `${name}: two ranks and four are one with as many windows; killed or stopped, the run is the same`,
    async (t) => {
      t.timeout(300_000);
      const cwd = ranksFolder(t);
      const one = await espalier(cwd, ...training('one', 4));
      t.is(one.code, 0, one.err);
      for (const [ranks, batchSize, ...more] of [
        [2, 2],
        [4, 1, 'plugins.data-parallel.bucket_mb=0.002'],
      ] as const) {
        const run = `ranks${String(ranks)}`;
        const ended = await command(cwd, launch(ranks, ...training(run, batchSize, ...more)));
        t.is(ended.code, 0, ended.err);
        t.regex(
          ended.err,
          new RegExp(`data-parallel: ${String(ranks)} ranks, ${String(ranks)} on this machine, ${name}`),
        );
        t.is(ended.err.match(/done after 12 iterations/g)?.length, 1, 'one rank talks');
        const expected = losses(cwd, 'one');
        t.is(expected.length, 12);
        for (const [at, loss] of losses(cwd, run).entries()) t.true(Math.abs(loss - expected[at]!) < 1e-5, `${loss}`);
      }

      const late = training('late', 2, 'plugins.data-parallel={overlap: false, bucket_mb: 0.001}');
      t.is((await command(cwd, launch(2, ...late))).code, 0);
      t.deepEqual(
        await outcome(cwd, 'late'),
        await outcome(cwd, 'ranks2'),
        'the bits depend on neither buckets nor overlap',
      );

      const killed = await command(cwd, launch(2, ...training('killed', 2)), { FAULT: 'SIGKILL,1,9' });
      t.not(killed.code, 0);
      const resumed = await command(cwd, launch(2, ...training('killed', 2), '--resume'));
      t.is(resumed.code, 0, resumed.err);
      t.regex(resumed.err, /resuming from .*00000[468] at iteration [468]/);
      t.deepEqual(await outcome(cwd, 'killed'), await outcome(cwd, 'ranks2'));

      let sent = false;
      const stopped = await command(cwd, launch(2, ...training('stopped', 2)), { FAULT: 'wait,1,6' }, (said, kill) => {
        if (sent || !said.includes('WAITING')) return;
        sent = true;
        kill('SIGTERM');
      });
      t.is(stopped.code, 143, stopped.err);
      t.regex(stopped.err, /stopped: SIGTERM( \(rank 1\))? after 7 iterations/);
      const emergencies = readdirSync(path.join(cwd, 'stopped/checkpoints')).filter((each) =>
        each.includes('emergency'),
      );
      t.deepEqual(emergencies, ['000007-emergency']);
      if (name !== some) return;
      const on = await command(cwd, launch(2, ...training('stopped', 2), '--resume'));
      t.is(on.code, 0, on.err);
      t.deepEqual(await outcome(cwd, 'stopped'), await outcome(cwd, 'ranks2'));
    },
  );

  needing(mpi(name)).serial(
    `${name}: SIGHUP to launch reaches every rank; a launch that is killed leaves none`,
    async (t) => {
      const cwd = ranksFolder(t);
      for (const [signal, code] of [
        ['SIGHUP', 129],
        ['SIGKILL', null],
      ] as const) {
        let sent = false;
        // It ends when every rank has closed what it prints to.
        const ended = await command(cwd, launch(2, ...training(signal, 2)), { FAULT: 'wait,1,6' }, (said, kill) => {
          if (sent || !said.includes('WAITING')) return;
          sent = true;
          kill(signal);
        });
        t.is(ended.code, code, ended.err);
        t.true(existsSync(path.join(cwd, signal, 'checkpoints/000007-emergency')), ended.err);
      }
    },
  );

  needing(mpi(name)).serial(`${name}: a rank that fails before it has joined ends the others`, async (t) => {
    const cwd = ranksFolder(t);
    writeFileSync(
      path.join(cwd, 'fails.ts'),
      `import { inject, On, Plugin, Ranks, UsageError } from 'espalier';
@Plugin({ name: 'fails', summary: 'fails', before: ['data-parallel'] })
export default class Fails {
  constructor(@inject(Ranks) private readonly ranks: Ranks) {}
  @On('run:setup') fail() { if (this.ranks.rank === 1) throw new UsageError('TEST_DATA', 'the data is not on this machine'); }
}
`,
    );
    const missing = await command(cwd, launch(2, ...training('missing', 2, 'plugins={"./fails.ts": {}}')));
    t.is(missing.code, 2, missing.err);
    t.regex(missing.err, /the data is not on this machine/);
  });

  needing(mpi('Open MPI'), mpi('MPICH')).serial(`${name}: another MPI's library is refused`, async (t) => {
    const cwd = ranksFolder(t);
    const library =
      name === 'MPICH' ? 'libmpi.so.40' : path.join(path.dirname(found.get('MPICH') ?? ''), '../lib/libmpi.so.12');
    const other = await command(cwd, launch(2, ...training('other', 2, `plugins.data-parallel.library=${library}`)));
    t.is(other.code, 2, other.err);
    t.regex(other.err, /started by .* and the MPI library is .*ESP_MPI_MISMATCH/);
  });
}

withMpi('a rank that starts from something else, or has different weights, is named', async (t) => {
  const cwd = ranksFolder(t);
  const differ = await command(
    cwd,
    ['launch', '--mpirun', launcher, '-n', '3', ...training('differ', 1, 'plugins.data-parallel.wire=bf16')],
    {
      FAULT: 'change,2,4',
    },
  );
  t.is(differ.code, 1, differ.err);
  t.regex(differ.err, /gradients travel in bf16/);
  t.regex(differ.err, /the weights of rank 2 are not those of the other ranks at iteration 6/);
  t.false(existsSync(path.join(cwd, 'differ/checkpoints/000006')), 'nothing is saved of it');

  // Launchers take a second program behind a colon: the same with another seed.
  const second = [process.execPath, commandFile, ...training('start', 2, 'seed=2', 'plugins.data-parallel=true')];
  const first = ['launch', '--mpirun', launcher, '-n', '1', ...training('start', 2)];
  const start = await command(cwd, [...first, ':', '-n', '1', ...second]);
  t.is(start.code, 2, start.err);
  t.regex(start.err, /rank 1 would start from a different state than the others.*ESP_RANKS_START/);
});

withMpi('a fault on one rank rolls all ranks back to the last checkpoint, and they continue in step', async (t) => {
  const cwd = ranksFolder(t);
  const policy = 'plugins.health={non_finite: {gradients: rollback, weights: rollback, loss: rollback}}';
  for (const run of ['once', 'again']) {
    const settings = training(run, 2, policy);
    const ended = await command(cwd, ['launch', '--mpirun', launcher, '-n', '2', ...settings], { FAULT: 'spoil,1,9' });
    t.is(ended.code, 0, ended.err);
    t.regex(ended.err, /done after 12 iterations/);
    t.is(ended.err.match(/rolling back the run from iteration 1[01] to checkpoint 000008/g)?.length, 1, ended.err);
  }
  t.true(losses(cwd, 'once').every(Number.isFinite));
  t.deepEqual(await outcome(cwd, 'again'), await outcome(cwd, 'once'));
});

needing(mpi('Open MPI'))('hosts: Open MPI starts ranks on each through the remote shell', async (t) => {
  const cwd = ranksFolder(t);
  const shell = path.join(cwd, 'shell.sh');
  writeFileSync(
    shell,
    '#!/bin/sh\nwhile [ "${1#-}" != "$1" ]; do shift; done\nexport TMPDIR=$PWD/tmp-$1\nmkdir -p $TMPDIR\nshift\nexec sh -c "$*"\n',
  );
  chmodSync(shell, 0o755);
  const args = ['launch', '--hosts', 'nodea:1,nodeb:1', '--interface', 'lo', '--ssh', shell, ...training('hosts', 2)];
  const ended = await command(cwd, args);
  t.is(ended.code, 0, ended.err);
  t.regex(ended.err, /2 ranks, 1 on this machine/);
});

withMpi('launch --dry-run prints what it would run', async (t) => {
  const cwd = ranksFolder(t);
  const shown = await espalier(
    cwd,
    'launch',
    '--mpirun',
    launcher,
    '-n',
    '3',
    '--dry-run',
    'train',
    '--preset',
    'debug',
    '-s',
    'run.name=a b',
  );
  t.is(shown.code, 0, shown.err);
  t.regex(
    shown.out,
    /-n 3 .*bind-to none .* train --set plugins\.data-parallel=true --preset debug -s 'run\.name=a b'/,
  );
});

test('launch names what it cannot start, and what is missing', async (t) => {
  const cwd = ranksFolder(t);
  const none = await espalierAlone(cwd, 'launch', '--mpirun', './nothing', '-n', '2', 'train');
  t.is(none.code, 2);
  t.regex(none.err, /no launcher of Open MPI or MPICH is found \(\.\/nothing: not found\).*ESP_MPIRUN/);
  t.regex((await espalier(cwd, 'launch', '-n', '2', 'sample')).err, /launch starts `train`.*ESP_USAGE/);
  const hosts = await espalier(cwd, 'launch', '--hosts', 'a:b', 'train');
  t.is(hosts.code, 2);
  t.regex(hosts.err, /--hosts takes names with a number of processes each.*"a:b".*ESP_USAGE/);
  t.regex((await espalier(cwd, 'launch', 'train')).err, /say how many processes with -n.*ESP_USAGE/);
});

test('one rank needs no MPI; one of several without a library says what to do', async (t) => {
  const cwd = ranksFolder(t);
  const alone = await espalier(cwd, ...training('alone', 2, 'plugins.data-parallel=true', 'train.max_iters=2'));
  t.is(alone.code, 0, alone.err);
  t.regex(alone.err, /data-parallel: one rank/);
  const env = { RANK: '0', WORLD_SIZE: '2' };
  const lost = await command(cwd, training('lost', 2, 'plugins.data-parallel.library=libnothing.so'), env);
  t.is(lost.code, 2);
  t.regex(
    lost.err,
    /rank 0 of 2, started by RANK and WORLD_SIZE, and no MPI library is found \(libnothing\.so: .*ESP_MPI_LIBRARY/,
  );
});
