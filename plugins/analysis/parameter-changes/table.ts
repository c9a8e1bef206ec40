import { shareOf, type Change } from './changes.js';

/** Formats the changes as lines: the parts of the model, then the `top` tensors that changed most. */
export function changeTable(parts: readonly Change[], tensors: readonly Change[], top: number): string[] {
  const most = tensors.toSorted((a, b) => shareOf(b) - shareOf(a)).slice(0, top);
  const rows = [...parts, ...most].map((change) => ({ name: change.name, share: shown(change) }));
  const width = Math.max(...rows.map(({ name }) => name.length));
  const lines = rows.map(({ name, share }) => `  ${name.padEnd(width)}  ${share.padStart(8)}`);
  return [...lines.slice(0, parts.length), '  most changed:', ...lines.slice(parts.length)];
}

function shown(change: Change): string {
  const share = shareOf(change);
  return share === Infinity ? 'from 0' : `${(100 * share).toFixed(2)} %`;
}
