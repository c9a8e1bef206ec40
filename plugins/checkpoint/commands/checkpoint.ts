import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { print, wholeFrom, type CommandDefinition, type SetExitCode } from '../../command-line/contract.js';
import { messageOf, UsageError } from '../../../core/errors.js';
import { lockFolder, newestRun, runArgument } from '../../runs/contract.js';
import { readSafetensorsHeader } from '../safetensors/read.js';
import { metricThatDecides } from '../checkpoint/kept.js';
import { checkpointAt, checkpointNames, findCheckpoint, noCheckpoint, pointedAt, pointers } from '../stored/find.js';
import { validationLosses } from '../stored/losses.js';
import { readCheckpoint, readDescription, readManifest, verifyCheckpoint } from '../stored/read.js';
import { rotateCheckpoints } from '../writing/rotate.js';

interface JsonFlag {
  json?: boolean;
}
/** A checkpoint in the list; `is` names the pointers (`latest`, `best`) to it. */
interface Listed {
  name: string;
  iteration: number;
  tokens: number;
  /** Validation loss of these weights; null if it was not measured. */
  val_loss: number | null;
  /** Lowest validation loss of the run so far. */
  best_val_loss: number | null;
  /** The metric that chooses the best checkpoints, and its value here; null if it was not measured. */
  metric: string;
  value: number | null;
  bytes: number;
  is: string[];
}
interface Damaged {
  name: string;
  is: string[];
  damaged: string;
}
interface PruneFlags extends JsonFlag {
  last: number;
  every: number;
  dryRun?: boolean;
}

export const command: CommandDefinition = {
  order: 100,
  define,
  aka: { export: 'checkpoint export', list: 'checkpoint list' },
};

function define(command: Command, setExitCode: SetExitCode): void {
  command.description('list, inspect, verify, prune and export checkpoints');
  const withRun = (name: string, description: string): Command =>
    command.command(name).description(description).addArgument(runArgument()).option('--json', 'print JSON');

  withRun('list', 'list the checkpoints of a run, newest first').action(onRun(list));
  withRun('inspect', 'print the content of a checkpoint: position, model, tensors, plugins').action(onRun(inspect));
  withRun('verify', 'compare every file with the manifest; exit code 1 if one is damaged').action(
    onRun(async (run: string, flags: JsonFlag) => {
      setExitCode((await verify(run, flags)) ? 0 : 1);
    }),
  );
  withRun('prune', 'delete all checkpoints except the newest and those that `latest` and `best` name')
    .option('--last <count>', 'newest checkpoints to keep', wholeFrom(1), 3)
    .option('--every <iterations>', 'also keep those at multiples of this many iterations; 0: none', wholeFrom(0), 0)
    .option('--dry-run', 'only print what would be deleted')
    .action(onRun(prune));
}

/** Makes an action that runs on the named run, else on the newest. */
function onRun<Flags>(action: (run: string, flags: Flags) => Promise<void>) {
  return (run: string | undefined, flags: Flags): Promise<void> =>
    action(run ?? newestRun(process.cwd(), console.error), flags);
}

async function list(run: string, { json }: JsonFlag): Promise<void> {
  const folder = checkpointsOf(run);
  const pointed = readPointers(folder);
  let logged: Promise<ReadonlyMap<number, number>> | undefined;
  const lossesInLog = (): Promise<ReadonlyMap<number, number>> => (logged ??= validationLosses(path.dirname(folder)));
  const facts: (Listed | Damaged)[] = [];
  for (const name of await checkpointNames(folder)) {
    const is = Object.keys(pointed).filter((pointer) => pointed[pointer] === name);
    try {
      const files = await readManifest(path.join(folder, name));
      const { state } = await readDescription(path.join(folder, name));
      const bytes = Object.values(files).reduce((sum, file) => sum + file.bytes, 0);
      const { iteration, tokens, bestValLoss, valLoss, measured = {} } = state.run;
      const metric = metricThatDecides(state.plugins['checkpoint']?.state);
      // Earlier versions did not save it: take it from the log.
      const loss = valLoss === undefined ? ((await lossesInLog()).get(iteration) ?? null) : valLoss;
      const value = measured[metric] ?? (metric === 'val/loss' ? loss : null);
      const losses = { val_loss: loss, best_val_loss: bestValLoss };
      facts.push({ name, iteration, tokens, ...losses, metric, value, bytes, is });
    } catch (thrown) {
      facts.push({ name, is, damaged: messageOf(thrown) });
    }
  }
  print(json, facts, () =>
    facts.map((each) => ('damaged' in each ? `${each.name}  ${each.damaged}` : listLine(each))).join('\n'),
  );
}

function listLine({ name, tokens, metric, value, bytes, is }: Listed): string {
  const shown = metric === 'val/loss' ? 'val loss' : metric;
  const measured = value === null ? '' : `${shown} ${value.toFixed(4)}`;
  const size = (bytes / 1e6).toFixed(1);
  return `${name.padEnd(18)} ${String(tokens).padStart(12)} tokens  ${measured.padEnd(shown.length + 8)} ${size.padStart(8)} MB  ${is.join(', ')}`.trimEnd();
}

async function inspect(run: string, { json }: JsonFlag): Promise<void> {
  const folder = await findCheckpoint(run, process.cwd());
  await verifyCheckpoint(folder);
  const { model, state } = await readDescription(folder);
  const [weights, optimizer] = await Promise.all(
    ['model', 'optimizer'].map(async (name) =>
      (await readSafetensorsHeader(path.join(folder, `${name}.safetensors`))).map(({ name, dtype, shape }) => ({
        name,
        dtype,
        shape,
      })),
    ),
  );
  const facts = { path: folder, ...state, model, weights, optimizer };
  print(json, facts, () =>
    [
      folder,
      `written by espalier ${state.espalier}, format ${String(state.format)}`,
      `iteration ${String(state.run.iteration)}, ${String(state.run.tokens)} tokens, validation loss ${String(state.run.valLoss ?? 'not measured')}, lowest of the run ${String(state.run.bestValLoss)}`,
      ...Object.entries(state.run.measured ?? {}).map(([metric, value]) => `${metric} ${String(value)}`),
      `plugins with state: ${Object.keys(state.plugins).join(', ')}`,
      `random streams: ${Object.keys(state.random).join(', ')}; seed ${String(state.seed)}`,
      ...(weights ?? []).map(({ name, dtype, shape }) => `    ${name}  ${dtype} [${shape.join(', ')}]`),
      `and ${String(optimizer?.length)} tensors of the optimizer`,
    ].join('\n'),
  );
}

/** Returns true if no checkpoint is damaged. */
async function verify(run: string, { json }: JsonFlag): Promise<boolean> {
  const named = checkpointAt(run, process.cwd());
  const folders =
    named !== undefined
      ? [named]
      : (await checkpointNames(checkpointsOf(run))).map((name) => path.join(checkpointsOf(run), name));
  const facts: { path: string; whole: boolean; why?: string }[] = [];
  for (const folder of folders) {
    try {
      await readCheckpoint(folder);
      facts.push({ path: folder, whole: true });
    } catch (thrown) {
      facts.push({ path: folder, whole: false, why: messageOf(thrown) });
    }
  }
  print(json, facts, () =>
    facts.map((each) => (each.whole ? `whole    ${each.path}` : `damaged  ${each.why ?? each.path}`)).join('\n'),
  );
  return facts.every(({ whole }) => whole);
}

async function prune(run: string, { last, every, dryRun, json }: PruneFlags): Promise<void> {
  const folder = checkpointsOf(run);
  const release = await claimed(path.dirname(folder));
  try {
    const keep = new Set(Object.values(readPointers(folder)));
    const gone = await rotateCheckpoints(folder, { last, every, keep, dryRun: dryRun ?? false });
    const verb = dryRun === true ? 'would delete' : 'deleted';
    print(json, gone, () => (gone.length === 0 ? 'nothing to delete' : `${verb} ${gone.join(', ')}`));
  } finally {
    release();
  }
}

async function claimed(run: string): Promise<() => void> {
  try {
    return await lockFolder(run, { say: console.error, advice: 'then prune' });
  } catch (thrown) {
    if (thrown instanceof UsageError) throw thrown;
    throw new UsageError('ESP_RUN_FOLDER', `${run} cannot be written: ${messageOf(thrown)}`, { cause: thrown });
  }
}

/** @throws UsageError when the run has no checkpoints */
function checkpointsOf(run: string): string {
  const folder = path.resolve(run, 'checkpoints');
  if (existsSync(folder)) return folder;
  throw noCheckpoint(run, process.cwd());
}

/** Returns the names of the checkpoints that `latest` and `best` point to. */
function readPointers(folder: string): Record<string, string> {
  const named: Record<string, string> = {};
  for (const pointer of pointers) {
    const name = pointedAt(folder, pointer);
    if (name !== undefined) named[pointer] = name;
  }
  return named;
}
