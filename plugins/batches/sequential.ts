import { windowStrategy } from './windows/window-strategy.js';
import { windowsIn } from './windows/windows.js';

export default windowStrategy({
  name: 'batches-sequential',
  summary: 'Windows of the training data side by side, from its start to its end and round again.',
  passes: true,
  starts: ({ reader, blockSize }) => {
    const count = windowsIn(reader, blockSize);
    return (window) => (window % count) * blockSize;
  },
});
