import { permutation } from './windows/permutation.js';
import { windowStrategy } from './windows/window-strategy.js';
import { windowsIn } from './windows/windows.js';

export default windowStrategy({
  name: 'batches-epoch',
  summary: 'Every window of the training data once per epoch, in a new random order each time.',
  passes: true,
  starts: ({ reader, blockSize, streams }) => {
    const count = windowsIn(reader, blockSize);
    const orderOf = (epoch: number) => ({ epoch, at: permutation(count, streams.place('epoch', epoch)) });
    let order = orderOf(0);
    return (window) => {
      const epoch = Math.floor(window / count);
      if (order.epoch !== epoch) order = orderOf(epoch);
      return order.at(window % count) * blockSize;
    };
  },
});
