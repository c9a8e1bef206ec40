import { writeFileSync } from 'node:fs';
import path from 'node:path';

/** Writes a plugin that publishes these scores, one an evaluation, the last one again and again; how a config names it. */
export function scorePlugin(folder: string, scores: readonly number[]): string {
  writeFileSync(
    path.join(folder, 'score.ts'),
    `import { EventBus, inject, On, Plugin, type EvaluationEnd } from 'espalier';
const scores = ${JSON.stringify(scores)};
@Plugin({
  name: 'score',
  summary: 'publishes scores that are known beforehand',
  metrics: { score: { unit: '', what: 'a score' } },
  after: ['evaluation'],
})
export default class Score {
  private evaluations = 0;
  constructor(@inject(EventBus) private readonly bus: EventBus) {}
  @On('evaluation:end')
  async publish({ iteration }: EvaluationEnd): Promise<void> {
    const score = scores[Math.min(this.evaluations++, scores.length - 1)] ?? NaN;
    await this.bus.dispatch('metrics', { iteration, values: { score } });
  }
  state(): number {
    return this.evaluations;
  }
  restore(state: unknown): void {
    if (typeof state === 'number') this.evaluations = state;
  }
}
`,
  );
  return 'plugins={"./score.ts": {}}';
}
