import type { PythonSetting, PythonValue } from './python-config.js';

/** What becomes of an old option. */
type Move =
  /** The key of the new config. */
  | { readonly to: string; readonly value?: (old: PythonValue) => unknown }
  /** It has no place here: why, or what to use in place of it. */
  | { readonly gone: string };

const same = (to: string): Move => ({ to });

/** Every option of nanoGPT's train.py, and of the system that Espalier re-creates. */
export const moves: Readonly<Record<string, Move>> = {
  out_dir: same('run.dir'),
  eval_interval: same('plugins.evaluation.interval'),
  eval_iters: same('plugins.evaluation.iters'),
  log_interval: same('plugins.training-metrics.interval'),
  eval_only: { gone: 'espalier evaluate RUN' },
  always_save_checkpoint: {
    gone: 'the newest checkpoints are always kept, the best ones beside them (plugins.checkpoint.keep)',
  },
  init_from: { to: 'init', value: (old) => (old === 'resume' ? 'scratch' : old) },
  wandb_log: { to: 'plugins.wandb.mode', value: (old) => (old === true ? 'auto' : 'disabled') },
  wandb_project: same('plugins.wandb.project'),
  wandb_run_name: same('plugins.wandb.name'),
  dataset: { to: 'data.dir', value: (old) => `data/${String(old)}` },
  gradient_accumulation_steps: same('train.gradient_accumulation_steps'),
  batch_size: same('train.batch_size'),
  block_size: same('model.block_size'),
  n_layer: same('model.n_layer'),
  n_head: same('model.n_head'),
  n_embd: same('model.n_embd'),
  n_hidden: same('model.n_hidden'),
  dropout: same('model.dropout'),
  bias: same('model.bias'),
  vocab_size: same('model.vocab_size'),
  learning_rate: same('optimizer.learning_rate'),
  max_iters: same('train.max_iters'),
  weight_decay: same('optimizer.weight_decay'),
  beta1: same('optimizer.beta1'),
  beta2: same('optimizer.beta2'),
  grad_clip: same('train.grad_clip'),
  decay_lr: { to: 'lr.use', value: (old) => (old === false ? 'constant' : 'warmup-cosine') },
  warmup_iters: same('lr.warmup_iters'),
  lr_decay_iters: same('lr.decay_iters'),
  min_lr: same('lr.min_lr'),
  backend: { gone: 'one process trains; threads are engine.threads' },
  device: { gone: 'engine: native, tensorflow, wasm or cpu; auto takes the best' },
  dtype: { to: 'precision', value: (old) => (old === 'bfloat16' ? 'bf16' : old === 'float32' ? 'f32' : 'auto') },
  compile: { gone: 'kernels are compiled when the package is installed' },
  seed: same('seed'),
  use_rotary_embeddings: same('model.rotary'),
  rotary_base: same('model.rotary_base'),
  rotary_max_position_embeddings: { gone: 'rotary positions reach as far as model.block_size' },
  embedding_mode: { gone: 'model.embedding_lora_rank over 0 is the mode lora' },
  embedding_rank: same('model.embedding_lora_rank'),
  attn_lora_rank: same('model.attn_lora_rank'),
  lora_alpha: same('model.lora_alpha'),
  scaling_schedule_file: same('plugins.scaling-schedule.file'),
  target_architecture_config: { gone: 'the schedule’s end is computed and printed' },
  vocab_remapping_file: same('plugins.vocab-remap.file'),
  shrunken_vocab_size: { gone: 'espalier vocab build --size makes the mapping that plugins.vocab-remap.file names' },
  RARE_TOKEN_ID: { gone: 'the mapping that espalier vocab build makes has it' },
  curriculum_alpha: same('batches.alpha'),
  use_curriculum: { to: 'batches.strategy', value: (old) => (old === true ? 'curriculum' : 'random') },
};

/** What nanoGPT does not look at with `decay_lr = False`: its rate is then constant from the first iteration on. */
const OF_DECAY = ['warmup_iters', 'lr_decay_iters', 'min_lr'];

/** A config that was converted. */
export interface Migrated {
  readonly config: Record<string, unknown>;
  /** Old names that have no place, with what to use. */
  readonly notes: readonly string[];
}

/** The new config of old settings; what nothing is known of is noted, not guessed. */
export function migrated(settings: readonly PythonSetting[]): Migrated {
  const config: Record<string, unknown> = { extends: ['base'] };
  const notes: string[] = [];
  const named = (test: (name: string) => boolean): boolean => settings.some(({ name }) => test(name));
  // nanoGPT sends nothing unless it is told to; here a project's name alone would turn the plugin on.
  if (named((name) => name.startsWith('wandb_')) && !named((name) => name === 'wandb_log')) {
    put(config, ['plugins', 'wandb', 'mode'], 'disabled');
  }
  const isConstant = settings.findLast(({ name }) => name === 'decay_lr')?.value === false;
  if (isConstant) put(config, ['lr', 'warmup_iters'], 0);
  for (const { name, value, line } of settings) {
    const move = moves[name];
    if (isConstant && OF_DECAY.includes(name))
      notes.push(`line ${String(line)}: ${name} has no effect with decay_lr = False`);
    else if (move === undefined) notes.push(`line ${String(line)}: ${name} is not known, and left out`);
    else if ('gone' in move) notes.push(`line ${String(line)}: ${name} has no place: ${move.gone}`);
    else put(config, move.to.split('.'), move.value === undefined ? value : move.value(value));
  }
  return { config, notes };
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
