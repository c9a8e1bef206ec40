/** Where a metric is shown: a line of a chart in a section, each under the name that people use. */
export interface MetricPlace {
  readonly section: string;
  readonly chart: string;
  readonly line: string;
}

export const TRAINING = 'Training';
const EVALUATORS = 'Evaluators';
const VALIDATION_SETS = 'Validation sets';

/** Names of metrics whose words in the logs are too short, or misleading, to be shown as they are. */
const NAMES: Readonly<Record<string, string>> = {
  'train/loss': 'Training loss',
  'eval/train_loss': 'Training loss, dropout off',
  'val/loss': 'Validation loss',
  'ema/val_loss': 'Validation loss, averaged weights',
  lr: 'Learning rate',
  grad_norm: 'Gradient norm',
  'throughput/tokens_per_second': 'Tokens per second',
  mfu: 'Model FLOPs utilization',
  'train/z_loss': 'Z-loss',
  'train/distillation_targets': 'Cross-entropy with targets',
  'val/core_accuracy': 'Accuracy on kept tokens',
  'time/iteration_ms': 'Time per iteration',
  'time/elapsed_seconds': 'Time since start',
  'health/grad_norm_ratio': 'Gradient norm / median',
  'health/loss_ratio': 'Training loss / median',
  'system/cpu_percent': 'CPU of the machine',
  'system/process_cpu_percent': 'CPU of the run',
  'system/memory_percent': 'Memory of the machine',
  'system/process_rss_mb': 'Memory of the run',
  'ranks/communication_ms': 'Communication per iteration',
  'ranks/communication_share': 'Share of communication',
  'analysis/seconds': 'Duration',
  'analysis/cpu_seconds': 'CPU time',
  'change/mlp': 'MLP',
};

/** Sections of metrics by the first part of their name; others are the part itself. */
const SECTIONS: Readonly<Record<string, string>> = {
  train: 'Loss terms',
  val: EVALUATORS,
  eval: EVALUATORS,
  ema: EVALUATORS,
  time: 'Time',
  timing: 'Time',
  change: 'Parameter changes',
};

/** Share of the iterations' time by plugin, and milliseconds per iteration by section. */
export const PLUGIN_SHARE = /^timing\/plugin\/(.+)$/;
export const SECTION_TIME = /^timing\/(?!plugin\/)(.+)$/;
/** A metric of a named validation set: `val/loss/wiki`. */
const OF_SET = /^val\/([^/]+)\/(.+)$/;
/** A metric of an evaluator's set of examples: `hellaswag/accuracy`. */
const OF_EXAMPLES = /^([^/]+)\/(accuracy|accuracy_norm|exact_match)$/;
const EXAMPLE_METRICS: Readonly<Record<string, string>> = { accuracy_norm: 'Accuracy, mean per token' };

/** Returns where a metric is shown, and its name there, without what the section and the chart already say. */
export function placeOf(name: string): MetricPlace {
  const [, plugin] = PLUGIN_SHARE.exec(name) ?? [];
  if (plugin !== undefined) return { section: 'Time', chart: 'Share of iteration time by plugin', line: plugin };
  const [, timed] = SECTION_TIME.exec(name) ?? [];
  if (timed !== undefined) return { section: 'Time', chart: 'Time by section', line: timed.replaceAll('/', ' · ') };
  const [, measured = '', set] = OF_SET.exec(name) ?? [];
  if (set !== undefined) return { section: VALIDATION_SETS, chart: words(measured), line: set };
  const [, examples, metric = ''] = OF_EXAMPLES.exec(name) ?? [];
  if (examples !== undefined)
    return { section: EVALUATORS, chart: examples, line: EXAMPLE_METRICS[metric] ?? words(metric) };
  const [prefix = '', second, ...rest] = name.split('/');
  const section = second === undefined ? TRAINING : (SECTIONS[prefix] ?? words(prefix));
  const chart = NAMES[name] ?? words(second ?? prefix);
  return { section, chart, line: rest.length === 0 ? chart : words(rest.join(' · ')) };
}

/** Returns a metric's name on its own, for tables: `Validation loss`, `Analysis: Rank, Key · layer 0`. */
export function nameOf(name: string): string {
  const { section, chart, line } = placeOf(name);
  if (NAMES[name] !== undefined && section !== 'Analysis' && section !== 'Parameter changes') return NAMES[name];
  if (section === TRAINING) return chart;
  return `${section}: ${chart === line ? line : `${chart}, ${line}`}`;
}

function words(part: string): string {
  const spaced = part.replaceAll('_', ' ');
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}
