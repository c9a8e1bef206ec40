// Compiles a training step for GPUs that are not there, in a process of its own: the engine keeps its device.
import path from 'node:path';
import { PjrtPlugin } from '../../../plugins/engines/xla/pjrt/plugin.js';
import { gpuShapes } from '../shapes.js';
import { cards } from './cards.js';
import { compileStep } from './compiled.js';
import { stepPrograms } from './step-programs.js';

const [folder = '', name = '', dropout = '0', devices = '1'] = process.argv.slice(2);
const shape = gpuShapes[name];
if (shape === undefined) throw new Error(`no shape ${name}`);
const plugin = new PjrtPlugin(path.join(folder, 'jax_plugins', 'xla_cuda13', 'xla_cuda_plugin.so'));
// The engine writes the same programs for all of them: cuDNN has the kernel for heads of 64 from Ampere on.
const programs = await stepPrograms(
  plugin,
  shape,
  Math.min(...cards.map(({ capability }) => capability)),
  Number(dropout),
  Number(devices),
);
const steps = cards.map((card) => ({ card: card.name, ...compileStep(plugin, card, programs) }));
process.stdout.write(`${JSON.stringify(steps)}\n`, () => process.exit());
