import { EspalierError, UsageError, type MetricNames } from '../../../core/index.js';
import { pluginOf } from '../../../core/runs.js';
import type { LossTerm } from '../../losses/contract.js';

/** A term that counts, with its weight. */
export interface ActiveTerm {
  readonly term: LossTerm;
  readonly weight: number;
}

/** Returns where the config turns a plugin on, as the start of a message: `file:line: `. */
type PlaceOf = (plugin: string) => string;

/**
 * Checks the loss terms of a run before training.
 * @throws UsageError if two terms have one name, or if no plugin declares a term's metric
 */
export function checkTerms(terms: readonly LossTerm[], metrics: MetricNames, placeOf: PlaceOf): void {
  const named = new Map<string, LossTerm>();
  for (const term of terms) {
    const other = named.get(term.name);
    if (other !== undefined) {
      const both = `${adding(term, placeOf)} and ${adding(other, placeOf)}`;
      throw new UsageError(
        'ESP_LOSS_TERM',
        `${both} both add a loss term named ${JSON.stringify(term.name)}; rename one, or turn one of the plugins off`,
      );
    }
    named.set(term.name, term);
    if (metrics.describe(term.metric) === undefined) {
      throw new UsageError(
        'ESP_LOSS_TERM',
        `${adding(term, placeOf)} adds the loss term ${JSON.stringify(term.name)} with the metric ${JSON.stringify(term.metric)}, which no plugin declares; declare it in \`metrics\` of its @Plugin`,
      );
    }
  }
}

/** Returns the terms that count in this iteration. @throws EspalierError naming one whose weight is not finite */
export function activeTerms(terms: readonly LossTerm[]): ActiveTerm[] {
  return terms.flatMap((term) => {
    const { name, weight } = term;
    if (!Number.isFinite(weight)) {
      throw new EspalierError(
        'ESP_LOSS_TERM',
        `loss term ${JSON.stringify(name)} of plugin ${pluginOf(term)} has the weight ${String(weight)}; it must be finite`,
      );
    }
    return weight === 0 ? [] : [{ term, weight }];
  });
}

function adding(term: LossTerm, placeOf: PlaceOf): string {
  const plugin = pluginOf(term);
  return `${placeOf(plugin)}plugin ${plugin}`;
}
