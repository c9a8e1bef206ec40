/** Thrown by a check that cannot run here or does not apply to the plugin; the message says why. */
export class Skipped extends Error {
  constructor(why: string) {
    super(why);
    this.name = 'Skipped';
  }
}
