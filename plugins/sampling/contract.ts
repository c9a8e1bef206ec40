export { writeText, type TextChoices } from './text/write-text.js';
