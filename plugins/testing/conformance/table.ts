import { aligned } from '../../command-line/contract.js';
import { showMilliseconds, type EventTimes } from '../checks/times.js';
import type { CheckResult } from './conformance.js';

/** Formats results as a table of checks, then the plugin's times per event, then the failures. */
export function tableOf(results: readonly CheckResult[]): string {
  const rows = results.map(({ check, result, milliseconds, message }) => [
    check,
    result,
    `${(milliseconds / 1000).toFixed(1)} s`,
    result === 'failed' ? '' : (message ?? ''),
  ]);
  const failures = results.filter(({ result }) => result === 'failed');
  return [
    ...aligned([['check', 'result', 'time', ''], ...rows]),
    ...results.flatMap(({ times }) => (times === undefined ? [] : ['', ...timesTable(times)])),
    ...failures.flatMap(({ check, message = '' }) => ['', `${check} failed: ${message}`]),
  ].join('\n');
}

function timesTable({ events, step }: EventTimes): string[] {
  if (events.length === 0) return ['No listener of the plugin ran.'];
  const rows = events.map(({ event, median, worst }) => [
    event,
    showMilliseconds(median),
    showMilliseconds(worst),
    median > step ? 'slow next to the step' : '',
  ]);
  return [
    ...aligned([['event', 'median', 'worst', ''], ...rows]),
    `A step of the tiny model takes ${showMilliseconds(step)} without the plugin.`,
  ];
}
