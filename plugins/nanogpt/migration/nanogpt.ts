import type { SettingCalled } from '../../configs/contract.js';
import type { PythonSetting, PythonValue } from './python-config.js';

/** What to do with an old option. */
export type Move =
  /** It has another key here. */
  | { readonly to: string; readonly value?: (old: PythonValue) => unknown }
  /** It has no equivalent: why, or what to use instead. */
  | { readonly gone: string };

/**
 * Options of nanoGPT's train.py, and of the system that Espalier re-creates, that are settings here. The settings
 * themselves declare these names (`meta({ aka })`).
 */
export const settings: readonly string[] = [
  'out_dir',
  'eval_interval',
  'eval_iters',
  'log_interval',
  'wandb_project',
  'wandb_run_name',
  'gradient_accumulation_steps',
  'batch_size',
  'block_size',
  'n_layer',
  'n_head',
  'n_embd',
  'n_hidden',
  'dropout',
  'bias',
  'vocab_size',
  'learning_rate',
  'max_iters',
  'weight_decay',
  'beta1',
  'beta2',
  'grad_clip',
  'warmup_iters',
  'lr_decay_iters',
  'min_lr',
  'seed',
  'use_rotary_embeddings',
  'rotary_base',
  'embedding_rank',
  'attn_lora_rank',
  'lora_alpha',
  'scaling_schedule_file',
  'vocab_remapping_file',
  'curriculum_alpha',
];

/** All other options. */
export const moves: Readonly<Record<string, Move>> = {
  eval_only: { gone: 'espalier evaluate RUN' },
  always_save_checkpoint: {
    gone: 'the newest checkpoints are always kept, and the best ones too (plugins.checkpoint.keep)',
  },
  init_from: { to: 'init', value: (old) => (old === 'resume' ? 'scratch' : old) },
  wandb_log: { to: 'plugins.wandb.mode', value: (old) => (old === true ? 'auto' : 'disabled') },
  dataset: { to: 'data.dir', value: (old) => `data/${String(old)}` },
  decay_lr: { to: 'lr.use', value: (old) => (old === false ? 'constant' : 'warmup-cosine') },
  backend: { gone: 'one process trains, with engine.threads threads; espalier launch starts several' },
  device: { gone: 'engine: native, tensorflow, wasm or cpu; auto takes the best' },
  dtype: { to: 'precision', value: (old) => (old === 'bfloat16' ? 'bf16' : old === 'float32' ? 'f32' : 'auto') },
  compile: { gone: 'kernels are compiled when the package is installed' },
  rotary_max_position_embeddings: { gone: 'rotary positions always cover model.block_size' },
  embedding_mode: { gone: 'set model.embedding_lora_rank above 0 for the mode lora' },
  target_architecture_config: { gone: 'the result of the schedule is computed and printed' },
  shrunken_vocab_size: { gone: 'espalier vocab build --size makes the mapping for plugins.vocab-remap.file' },
  RARE_TOKEN_ID: { gone: 'it is part of the mapping made by espalier vocab build' },
  use_curriculum: { to: 'batches.strategy', value: (old) => (old === true ? 'curriculum' : 'random') },
};

/**
 * Options that nanoGPT ignores with `decay_lr = False`: its learning rate is then constant from the first iteration.
 */
const OF_DECAY = ['warmup_iters', 'lr_decay_iters', 'min_lr'];

/** A converted config. */
export interface Migrated {
  readonly config: Record<string, unknown>;
  /** Options that were not converted, and what to use instead. */
  readonly notes: readonly string[];
}

/**
 * Converts old settings to a config. Unknown settings are noted, not guessed.
 * @param called returns the setting that another program's name stands for
 */
export function migrated(given: readonly PythonSetting[], called: SettingCalled): Migrated {
  const config: Record<string, unknown> = { extends: ['base'] };
  const notes: string[] = [];
  const named = (test: (name: string) => boolean): boolean => given.some(({ name }) => test(name));
  // nanoGPT uses W&B only with `wandb_log`; here a project's name alone would turn the plugin on.
  if (named((name) => name.startsWith('wandb_')) && !named((name) => name === 'wandb_log')) {
    put(config, ['plugins', 'wandb', 'mode'], 'disabled');
  }
  const isConstant = given.findLast(({ name }) => name === 'decay_lr')?.value === false;
  if (isConstant) put(config, ['lr', 'warmup_iters'], 0);
  for (const { name, value, line } of given) {
    const move = moves[name] ?? (settings.includes(name) ? settingOf(name, called) : undefined);
    if (isConstant && OF_DECAY.includes(name))
      notes.push(`line ${String(line)}: ${name} has no effect with decay_lr = False`);
    else if (move === undefined) notes.push(`line ${String(line)}: ${name} is unknown and was dropped`);
    else if ('gone' in move) notes.push(`line ${String(line)}: ${name} has no equivalent: ${move.gone}`);
    else put(config, move.to.split('.'), move.value === undefined ? value : move.value(value));
  }
  return { config, notes };
}

function settingOf(name: string, called: SettingCalled): Move {
  const to = called(name);
  if (to === undefined) throw new Error(`no plugin has the option that nanoGPT calls ${name}`);
  return { to };
}

function put(config: Record<string, unknown>, [key = '', ...rest]: string[], value: unknown): void {
  if (rest.length === 0) {
    config[key] = value;
    return;
  }
  const section = config[key];
  const inner: Record<string, unknown> = typeof section === 'object' && section !== null ? { ...section } : {};
  put(inner, rest, value);
  config[key] = inner;
}
