import { readFileSync } from 'node:fs';
import test from 'ava';
import * as ops from '../../../plugins/ops/contract.js';

/** Exports that serve engines, and those that are not operations. */
const OTHERS = [
  'activationIn',
  'constantWeights',
  'dropoutFactors',
  'headSizes',
  'padLengthsOn',
  'paddedLength',
  'registerOps',
  'rotaryAngles',
  'rotaryFrequencies',
  'shapesChange',
  'withChangingShapes',
];

test('docs/reference/ops.md lists exactly the exported operations', (t) => {
  const functions = Object.entries(ops).filter(([name, value]) => typeof value === 'function' && /^[a-z]/.test(name));
  const listed = [...readFileSync('docs/reference/ops.md', 'utf8').matchAll(/^\| `(\w+)\(/gm)].map(([, name]) => name);
  t.deepEqual(
    listed.sort(),
    functions
      .map(([name]) => name)
      .filter((name) => !OTHERS.includes(name))
      .sort(),
  );
});
