/** A check cannot be run here, or does not fit the plugin; the message says why. */
export class Skipped extends Error {
  constructor(why: string) {
    super(why);
    this.name = 'Skipped';
  }
}
