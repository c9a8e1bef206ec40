import { windowsIn, windowStrategy } from 'espalier';

export default windowStrategy({
  name: 'backwards',
  summary: 'windows from the last to the first',
  passes: true,
  starts: ({ reader, blockSize }) => {
    const count = windowsIn(reader, blockSize);
    return (window) => (count - 1 - (window % count)) * blockSize;
  },
});
