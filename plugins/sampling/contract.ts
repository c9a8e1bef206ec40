export type { Sample } from './events.js';
export { writeText, type TextChoices } from './text/write-text.js';
