import { existsSync, readdirSync, statSync } from 'node:fs';
import path, { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Option, type Command } from 'commander';
import { type CommandDefinition, type SetExitCode, Terminal } from '../../command-line/contract.js';
import { UsageError } from '../../../core/errors.js';
import type { ParityParts, ParityPrecision, ParitySettings } from '../parity/case.js';

interface ParityFlags {
  readonly engine: string;
  readonly precision: ParityPrecision;
}

export const command: CommandDefinition = { order: 190, define };

function define(command: Command, setExitCode: SetExitCode): void {
  command
    .description('train on cases recorded from PyTorch and compare every number')
    .argument('<dir...>', 'case folders (case.json and its safetensors files), or folders that contain them')
    .option('--engine <name>', 'engine to use', 'auto')
    .addOption(
      new Option('--precision <format>', 'precision of matrix products; for bf16 only losses are compared')
        .choices(['f32', 'bf16'])
        .default('f32'),
    )
    .action(async (dirs: string[], flags: ParityFlags) => {
      const cases = dirs.flatMap(casesIn);
      if (cases.length === 0) {
        console.error(`espalier: no parity case in ${dirs.join(', ')}; a case is a folder with a case.json`);
        setExitCode(1);
        return;
      }
      let failed = 0;
      for (const dir of cases) {
        const line = await runOne(dir, flags);
        if (!line.passed) failed++;
        console.log(line.text);
      }
      console.log(`${String(cases.length - failed)} of ${String(cases.length)} cases match`);
      if (failed > 0) setExitCode(1);
    });
}

async function runOne(dir: string, flags: ParityFlags): Promise<{ passed: boolean; text: string }> {
  const { runParityCase } = await import('../parity/case.js');
  try {
    const report = await runParityCase(dir, (settings) => partsFor(settings, flags), flags.precision);
    const errors = report.measures.map(
      ({ name, error, limit }) =>
        `${name} ${error.toExponential(1)}${error <= limit ? '' : ` (over ${limit.toExponential(0)}!)`}`,
    );
    return { passed: report.passed, text: `${report.passed ? 'ok  ' : 'FAIL'} ${dir}: ${errors.join(', ')}` };
  } catch (thrown) {
    if (!(thrown instanceof UsageError)) throw thrown;
    return { passed: false, text: `FAIL ${dir}: ${thrown.message}` };
  }
}

async function partsFor(settings: ParitySettings, { engine, precision }: ParityFlags): Promise<ParityParts> {
  const set = [
    `engine=${engine}`,
    `precision=${precision}`,
    `model=${JSON.stringify(settings.model)}`,
    `optimizer=${JSON.stringify({ use: 'adamw', ...settings.optimizer })}`,
    `lr=${JSON.stringify({ use: 'warmup-cosine', ...settings.lr })}`,
    `train.max_iters=${String(settings.steps)}`,
    `train.grad_clip=${String(settings.gradClip)}`,
    `train.gradient_accumulation_steps=${String(settings.accum)}`,
  ];
  const { Engine, LearningRate, Optimizer } = await import('../../../core/index.js');
  const { makeRun } = await import('../../../core/runs.js');
  const { run } = await makeRun({
    cwd: dirname(fileURLToPath(import.meta.url)),
    set,
    only: ['engine', 'model', 'optimizer', 'lr'],
    terminal: new Terminal({ quiet: true }),
  });
  await run.setUp(settings.vocabSize);
  return {
    engine: run.container.resolve(Engine),
    model: run.model,
    optimizer: run.container.resolve(Optimizer),
    learningRate: run.container.resolve(LearningRate),
    dispose: () => run.dispose(),
  };
}

function casesIn(dir: string): string[] {
  if (existsSync(path.join(dir, 'case.json'))) return [dir];
  if (!existsSync(dir) || !statSync(dir).isDirectory()) return [];
  return readdirSync(dir)
    .map((name) => path.join(dir, name))
    .filter((below) => existsSync(path.join(below, 'case.json')))
    .sort();
}
