import { element, table } from './dom.js';
import { formatCount, formatDuration, formatNumber, formatTime, formatValue } from './format.js';
import { nameOf, PLUGIN_SHARE, SECTION_TIME } from './metric-names.js';
import type { RunDetails, RunSummary, ScheduleStep, Status } from './protocol.js';
import { bestLoss, statusWords } from './run-columns.js';

/** Title, value, and small print below. */
type Fact = readonly [string, string, string];

export function statusBadge(status: Status): HTMLElement {
  return element('span', { class: `badge ${status}` }, statusWords[status]);
}

/** Makes the overview: progress and newest numbers. */
export function overviewPanel(run: RunSummary): HTMLElement[] {
  const { iteration, maxIters, tokens, seconds, status } = run;
  const fact = (title: string, name: string, more = ''): Fact | undefined => {
    const metric = run.metrics.find((each) => each.name === name);
    return metric === undefined ? undefined : [title, formatNumber(metric.last), more === '' ? metric.unit : more];
  };
  const best = bestLoss(run);
  const left =
    status === 'running' && maxIters !== null && seconds !== null && iteration > 0
      ? `about ${formatDuration((seconds / iteration) * (maxIters - iteration))} left`
      : '';
  const facts: (Fact | undefined)[] = [
    ['Iteration', formatCount(iteration), maxIters === null ? '' : `of ${formatCount(maxIters)}`],
    fact('Training loss', 'train/loss'),
    fact('Validation loss', 'val/loss', best === null ? '' : `best ${formatNumber(best)}`),
    fact('Tokens per second', 'throughput/tokens_per_second', ' '),
    ['Tokens', formatCount(tokens), ''],
    seconds === null ? undefined : ['Training time', formatDuration(seconds), left],
  ];
  const cards = facts
    .filter((each) => each !== undefined)
    .map(([title, value, more]) =>
      element('div', { class: 'fact' }, element('dt', {}, title), element('dd', {}, value, element('small', {}, more))),
    );
  const parts: HTMLElement[] = [];
  if (maxIters !== null && maxIters > 0) {
    const progress = element('progress', { 'aria-label': 'iterations done', max: String(maxIters) });
    progress.value = Math.min(iteration, maxIters);
    parts.push(progress);
  }
  parts.push(element('dl', { class: 'facts' }, ...cards));
  if (run.reasons.length > 0) parts.push(element('p', { class: 'reasons' }, run.reasons.join('; ')));
  return parts;
}

/** Makes the tables of time by plugin and by section, averaged over the run. */
export function timePanel(run: RunSummary): HTMLElement[] {
  const tables: HTMLElement[] = [];
  for (const [caption, pattern] of [
    ['Share of iteration time by plugin, mean over the run', PLUGIN_SHARE],
    ['Time per iteration by section, mean over the run', SECTION_TIME],
  ] as const) {
    const rows = run.metrics
      .flatMap(({ name, mean, unit }) => {
        const part = pattern.exec(name)?.[1];
        return part === undefined || mean === null ? [] : [{ part, mean, unit }];
      })
      .sort((a, b) => b.mean - a.mean);
    const most = rows[0]?.mean ?? 0;
    if (rows.length === 0) continue;
    const cells = rows.map(({ part, mean, unit }) => [part, bar(most > 0 ? mean / most : 0), formatValue(mean, unit)]);
    tables.push(element('div', { class: 'card bars' }, table(caption, ['part', '', 'mean'], cells, 'title')));
  }
  return tables;
}

export function schedulePanel({ schedule, scheduleFile }: RunDetails): HTMLElement[] {
  if (scheduleFile !== null) {
    return [
      element(
        'p',
        { class: 'muted' },
        `No step has run yet. The steps in ${scheduleFile} appear here once the first has run.`,
      ),
    ];
  }
  if (schedule.length === 0) return [];
  const next = schedule.findIndex(({ completed }) => !completed);
  return [element('ol', { class: 'steps' }, ...schedule.map((step, at) => scheduleStep(step, at === next)))];
}

export function configPanel({ config }: RunDetails): HTMLElement[] {
  if (config === '') return [];
  return [element('pre', { class: 'card config', tabindex: '0', role: 'region', 'aria-label': 'config.yaml' }, config)];
}

/** Makes the table of the run's starts and their machines, newest last. */
export function startsPanel({ starts }: RunDetails): HTMLElement[] {
  const names = [...new Set(starts.flatMap(({ environment }) => Object.keys(environment)))];
  if (starts.length === 0) return [];
  const rows = [
    ['from iteration', ...starts.map(({ iteration }) => formatCount(iteration))],
    ...names.map((name) => [name, ...starts.map(({ environment }) => environment[name] ?? '')]),
  ];
  return [
    element(
      'div',
      { class: 'card scroll' },
      table('Starts of the run', ['', ...starts.map(({ time }) => formatTime(time))], rows),
    ),
  ];
}

/** Makes the table of every metric's last, lowest and highest value. */
export function numbersPanel(run: RunSummary): HTMLElement[] {
  if (run.metrics.length === 0) return [];
  const rows = [...run.metrics]
    .sort((a, b) => a.name.localeCompare(b.name))
    .map(({ name, unit, what, last, min, max }) => [
      element('span', { title: what.replaceAll('`', '') }, nameOf(name)),
      element('code', {}, name),
      ...[last, min, max].map((value) => formatValue(value, unit)),
    ]);
  return [
    element(
      'div',
      { class: 'card scroll numbers' },
      table('All metrics', ['metric', 'name in logs', 'last', 'lowest', 'highest'], rows),
    ),
  ];
}

function scheduleStep({ name, value, completed, desc, at }: ScheduleStep, isNext: boolean): HTMLElement {
  const state = completed ? 'done' : isNext ? 'next' : 'later';
  const when = completed
    ? at === null
      ? 'completed'
      : `completed at iteration ${formatCount(at)}`
    : isNext
      ? 'next'
      : 'to come';
  return element(
    'li',
    { class: state, ...(isNext ? { 'aria-current': 'step' } : {}) },
    element('code', {}, value === undefined ? name : `${name} ${JSON.stringify(value)}`),
    element('span', { class: 'when' }, when),
    ...(desc === '' ? [] : [element('span', { class: 'desc' }, desc)]),
  );
}

function bar(share: number): HTMLElement {
  const filled = element('span', { class: 'bar' });
  filled.style.setProperty('--share', `${String(100 * share)}%`);
  return filled;
}
