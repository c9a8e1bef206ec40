import { windowStrategy } from './windows/window-strategy.js';

export default windowStrategy({
  name: 'batches-random',
  summary: 'Uniformly random windows of the training data.',
  starts:
    ({ reader, blockSize, streams }) =>
    (window) =>
      streams.place('batches', window).below(reader.length - blockSize),
});
