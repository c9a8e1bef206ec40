import type { WandbRecord } from './records.js';

/** How many lines of each kind a server counts a run by. */
export class Lines {
  constructor(
    public history = 0,
    public events = 0,
    public output = 0,
  ) {}

  count({ history, stats, output_raw: line }: WandbRecord): void {
    if (history !== undefined) this.history++;
    if (stats !== undefined) this.events++;
    if (line !== undefined) this.output++;
  }

  copy(): Lines {
    return new Lines(this.history, this.events, this.output);
  }
}
