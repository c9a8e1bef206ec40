import { windowStrategy } from './windows/window-strategy.js';
import { windowsIn } from './windows/windows.js';

export default windowStrategy({
  name: 'batches-sequential',
  summary: 'Adjacent windows of the training data, from start to end, then again from the start.',
  passes: true,
  starts: ({ reader, blockSize }) => {
    const count = windowsIn(reader, blockSize);
    return (window) => (window % count) * blockSize;
  },
});
