import { moves } from './nanogpt.js';

/** What Lightning, Hugging Face and everyday speech call a setting; nanoGPT's names are those that `migrate` knows. */
export const otherNames: Readonly<Record<string, readonly string[]>> = {
  'data.text': ['text', 'corpus'],
  'model.block_size': [
    'context',
    'context_length',
    'ctx',
    'max_seq_len',
    'n_ctx',
    'n_positions',
    'seq_len',
    'seq_length',
    'sequence_length',
  ],
  'model.n_embd': ['d_model', 'dim', 'embed_dim', 'hidden_size', 'width'],
  'model.n_head': ['heads', 'n_heads', 'num_heads', 'num_attention_heads'],
  'model.n_layer': ['depth', 'layers', 'n_layers', 'num_layers', 'num_hidden_layers'],
  'optimizer.learning_rate': ['lr', 'max_lr', 'rate'],
  'optimizer.weight_decay': ['decay', 'wd'],
  'lr.warmup_iters': ['warmup', 'warmup_steps', 'num_warmup_steps'],
  'train.batch_size': ['batch', 'bs', 'micro_batch_size', 'per_device_train_batch_size'],
  'train.grad_clip': ['clip', 'gradient_clip_val', 'max_grad_norm'],
  'train.gradient_accumulation_steps': [
    'accumulate_grad_batches',
    'grad_accum',
    'grad_accum_steps',
    'gradient_accumulation',
  ],
  'train.max_iters': ['iterations', 'iters', 'max_steps', 'num_steps', 'steps', 'train_steps'],
  'plugins.checkpoint.interval': ['every_n_train_steps', 'save_interval', 'save_steps'],
  'plugins.evaluation.interval': ['eval_steps', 'val_check_interval'],
  'plugins.evaluation.iters': ['limit_val_batches'],
  'plugins.training-metrics.interval': ['log_every_n_steps', 'logging_steps'],
  'run.dir': ['default_root_dir', 'output_dir'],
  engine: ['accelerator'],
};

/** Where the setting stands that other trainers call so; undefined for a name that is none of theirs. */
export function settingCalled(name: string): string | undefined {
  const plain = name.toLowerCase().replaceAll('-', '_');
  const found = Object.entries(otherNames).find(([, others]) => others.includes(plain))?.[0];
  if (found !== undefined || !Object.hasOwn(moves, plain)) return found;
  const move = moves[plain];
  return move !== undefined && 'to' in move ? move.to : undefined;
}
