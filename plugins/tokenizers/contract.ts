export { decodeKnown, NO_TOKEN } from './shared/decode-known.js';
