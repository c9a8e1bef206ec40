import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { PjrtPlugin } from '../../../plugins/engines/xla/pjrt/plugin.js';
import type { Card } from './cards.js';
import type { GivenProgram } from './described-client.js';
import { DescribedDevice } from './described-device.js';
import { scheduleOf, shortestTime, type Schedule } from './schedule.js';

/** What the programs of a step make a GPU do; sums over the programs. */
export interface CompiledStep extends Omit<Schedule, 'operations'> {
  readonly programs: number;
  /** CUDA graphs, each of which the host starts at once, and kernels that it starts one by one. */
  readonly commandBuffers: number;
  readonly launches: number;
  /** Bytes of the largest program: arguments, temporary memory, and results that take no argument's place. */
  readonly memory: number;
  /** See `shortestTime`. */
  readonly milliseconds: number;
}

/**
 * Compiles a step's programs for cards that this machine does not have, as many as run them.
 * @returns what one of them does
 * @throws PjrtError if XLA rejects one
 */
export function compileStep(plugin: PjrtPlugin, card: Card, programs: readonly GivenProgram[]): CompiledStep {
  const device = new DescribedDevice(plugin, card.description, Math.max(...programs.map(({ devices }) => devices)));
  const all = programs.map((program) => compileOne(device, card, program));
  const sum = (of: (each: (typeof all)[number]) => number): number => all.reduce((total, each) => total + of(each), 0);
  return {
    programs: programs.length,
    commandBuffers: sum(({ thunks }) => thunks.filter((kind) => kind === 'kCommandBuffer').length),
    launches: sum(({ thunks }) => thunks.filter((kind) => kind !== 'kCommandBuffer').length),
    products: {
      bf16: sum(({ schedule }) => schedule.products.bf16),
      f32: sum(({ schedule }) => schedule.products.f32),
    },
    attention: sum(({ schedule }) => schedule.attention),
    loops: sum(({ schedule }) => schedule.loops),
    kernels: sum(({ schedule }) => schedule.kernels),
    arithmetic: sum(({ schedule }) => schedule.arithmetic),
    traffic: sum(({ schedule }) => schedule.traffic),
    memory: Math.max(...all.map(({ memory }) => memory)),
    milliseconds: 1000 * sum(({ schedule }) => shortestTime(schedule, card)),
  };
}

function compileOne(device: DescribedDevice, card: Card, { code, flags }: GivenProgram) {
  const folder = mkdtempSync(path.join(tmpdir(), 'espalier-xla-'));
  try {
    const compiled = device.compile(code, { ...flags, xla_dump_to: folder });
    const { arguments: given, outputs, replaced, temporary } = compiled.memory();
    compiled.destroy();
    const names = readdirSync(folder);
    const dumped = (ending: string): string => {
      const name = names.find((each) => each.endsWith(ending));
      if (name === undefined) throw new Error(`XLA dumped no ${ending}`);
      return readFileSync(path.join(folder, name), 'utf8');
    };
    // Thunks inside a command buffer are indented.
    const thunks = dumped('.thunk_sequence_after_thunk_passes.txt').match(/^\d+: k\w+/gm) ?? [];
    return {
      schedule: scheduleOf(dumped('_gpu_after_optimizations.txt')),
      thunks: thunks.map((line) => line.slice(line.indexOf('k'))),
      memory: given + temporary + outputs - replaced,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
