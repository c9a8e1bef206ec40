import { EspalierError, UsageError } from '../../../core/index.js';
import type { Failure } from './answer.js';
import type { Job } from './jobs.js';

/** Makes the error for a failed job, with its position in the whole input. */
export function failed({ input, piece, offset }: Job, { code, message, at }: Failure, lines: number): EspalierError {
  const place = [
    at.line === undefined ? '' : `${unitOf(piece)} ${String(lines + at.line + 1)} `,
    at.byte === undefined ? '' : `byte ${String(offset + at.byte)} `,
    at.row === undefined || piece.kind !== 'parquet' ? '' : `row ${String(piece.from + at.row + 1)} `,
  ].join('');
  const text = `${input.name}: ${place}${message}`;
  return code === undefined ? new EspalierError('ESP_PREPARE_WORKER', text) : new UsageError(code, text);
}

function unitOf(piece: Job['piece']): string {
  return piece.kind === 'jsonl' && piece.layout !== 'lines' ? 'record' : 'line';
}
