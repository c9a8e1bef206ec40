import test from 'ava';
import { autoPrecision } from '../../../../plugins/engines/native/auto-precision.js';
import { loadBinding } from '../../../../plugins/engines/native/binding.js';
import NativeEngine from '../../../../plugins/engines/native/index.js';
import { engineNeed, needing } from '../../../needs.js';

const native = await engineNeed('native');

const [intel, amd] = ['GenuineIntel', 'AuthenticAMD'];

test('precision: auto is bf16 with tiles, whoever made the processor', (t) => {
  for (const vendor of [intel, amd]) t.is(autoPrecision({ bf16: 'tiles', vendor }), 'bf16');
});

test('precision: auto is bf16 with dot products of pairs on AMD alone', (t) => {
  t.is(autoPrecision({ bf16: 'pairs', vendor: amd }), 'bf16');
  for (const vendor of [intel, 'HygonGenuine', '']) t.is(autoPrecision({ bf16: 'pairs', vendor }), 'f32');
});

test('precision: auto is f32 without an instruction for bfloat16, as on ARM', (t) => {
  for (const vendor of [intel, amd, '']) t.is(autoPrecision({ bf16: 'floats', vendor }), 'f32');
});

needing(native)('every variant says how it multiplies bfloat16, and the probe what auto is', (t) => {
  const binding = loadBinding();
  const ways = { amxbf16: 'tiles', avx512bf16: 'pairs', avx512: 'floats', avx2: 'floats', portable: 'floats' };
  for (const name of binding.variants()) {
    const { vendor, ...rest } = binding.useVariant(name);
    t.like({ ...rest, bf16: Object.entries(ways).find(([known]) => known === name)?.[1] }, rest);
    t.regex(vendor, process.arch === 'x64' ? /^.{12}$/ : /^$/);
  }
  t.is(NativeEngine.probe().autoPrecision, autoPrecision(binding.useVariant('')));
});
