import test from 'ava';
import { probeEngines, shortName } from '../../../../plugins/engines/choice/choice.js';
import { compileOptions } from '../../../../plugins/engines/xla/pjrt/compiling.js';
import { calls, functionOffset, structures } from '../../../../plugins/engines/xla/pjrt/layout.js';
import { Graph } from '../../../../plugins/engines/xla/stablehlo/graph.js';

test('engine xla: structures and functions are where pjrt_c_api.h has them', (t) => {
  // Counted in the header by hand.
  t.deepEqual(
    [calls.Client_Create, calls.Client_Compile, calls.Client_BufferFromHostBuffer].map(({ size }) => size),
    [88, 56, 120],
  );
  t.deepEqual(
    [
      calls.LoadedExecutable_Execute.size,
      calls.Buffer_CopyToDevice.size,
      calls.Buffer_ToHostBuffer.size,
      structures.executeOptions.size,
    ],
    [80, 40, 56, 112],
  );
  t.deepEqual(
    [
      calls.TopologyDescription_Create,
      calls.Compile,
      calls.Executable_GetCompiledMemoryStats,
      structures.namedValue,
    ].map(({ size }) => size),
    [56, 64, 120, 56],
  );
  t.deepEqual(calls.Client_BufferFromHostBuffer.place('dims'), { offset: 40, kind: 'pointer' });
  t.deepEqual(calls.Client_BufferFromHostBuffer.place('semantics'), { offset: 72, kind: 'int' });
  t.deepEqual(
    (
      ['Error_Destroy', 'Client_Create', 'Client_Compile', 'LoadedExecutable_Execute', 'Buffer_ToHostBuffer'] as const
    ).map(functionOffset),
    [40, 120, 200, 480, 600],
  );
  t.deepEqual(
    (['TopologyDescription_Create', 'Compile', 'Executable_GetCompiledMemoryStats'] as const).map(functionOffset),
    [696, 752, 808],
  );
});

test('engine xla: options of a compilation are the bytes of CompileOptionsProto', (t) => {
  // Counted by hand: of fields 3 and 7, each entry of the map a message of key (1) and value (2).
  const before = [0x1a, 4, 0x20, 1, 0x28, 1];
  t.deepEqual([...compileOptions({})], before);
  t.deepEqual([...compileOptions({}, 2)], [0x1a, 6, 0x20, 1, 0x28, 2, 0x30, 1]);
  const flag = [0x3a, 10, 0x0a, 4, ...Buffer.from('flag'), 0x12, 2, 0x10, 1];
  const text = [0x3a, 9, 0x0a, 1, ...Buffer.from('t'), 0x12, 4, 0x0a, 2, ...Buffer.from('up')];
  t.deepEqual([...compileOptions({ flag: true, t: 'up' })], [...before, ...flag, ...text]);
  // Lengths of 128 and more take two bytes.
  t.deepEqual(
    [...compileOptions({ t: 'x'.repeat(200) })].slice(6, 16),
    [0x3a, 209, 1, 0x0a, 1, 116, 0x12, 203, 1, 0x0a],
  );
});

test('engine xla: a program is written once for each constant, which regions do not hold', (t) => {
  const graph = new Graph('bf16');
  const x = graph.argument({ shape: [2, 3], type: 'f32' });
  const sum = graph.sum(graph.mul(graph.add(x, 0.5), 0.5), [1]);
  const text = graph.text([graph.product(x, x, { batch: [], summed: [[1, 1]] }), sum], new Map([[0, 0]]));
  t.is(text.match(/stablehlo\.constant/g)?.length, 2);
  t.regex(
    text,
    /@main\(%v0: tensor<2x3xf32> \{tf\.aliasing_output = 0 : i32\}\) -> \(tensor<2x2xf32>, tensor<2xf32>\)/,
  );
  t.regex(text, /"stablehlo\.dot_general"\(.*\(tensor<2x3xbf16>, tensor<2x3xbf16>\) -> tensor<2x2xf32>/);
  t.throws(() => graph.add(x, graph.constant(1, { shape: [2], type: 'f32' })), { message: /cannot be broadcast/ });
});

test('engine xla: a product in bf16 pads a long axis, and can be held in bf16', (t) => {
  const graph = new Graph('bf16');
  const [x, table] = [
    graph.argument({ shape: [2, 3, 4], type: 'f32' }),
    graph.argument({ shape: [1025, 4], type: 'f32' }),
  ];
  const rows = graph.reshape(x, [6, 4]);
  const logits = graph.reshape(graph.product(rows, table, { batch: [], summed: [[1, 1]] }), [2, 3, 1025]);
  const narrow = graph.narrow(logits);
  t.deepEqual(
    [logits, narrow].map(({ shape, type }) => [...shape, type]),
    Array(2).fill([2, 3, 1025, 'f32']),
  );
  const text = graph.text([narrow]);
  t.regex(text, /dot_general.*\(tensor<6x4xbf16>, tensor<1152x4xbf16>\) -> tensor<6x1152xbf16>/);
  t.is(graph.narrow(x), x);
});

test.serial('engine xla: without a plugin it says what is missing, and auto takes it last', async (t) => {
  const before = process.env['PJRT_PLUGIN_LIBRARY_PATH'];
  try {
    for (const [file, why] of [
      ['', /no PJRT plugin is installed: .*`espalier engine install xla`/],
      ['/nowhere/plugin.so', /names \/nowhere\/plugin\.so, which does not exist/],
      [process.execPath, /PJRT plugin .* does not start: /],
    ] as const) {
      process.env['PJRT_PLUGIN_LIBRARY_PATH'] = file;
      const engines = await probeEngines();
      const last = engines.at(-1);
      t.is(last && shortName(last.plugin), 'xla');
      t.false(last?.probe.works);
      t.regex(last?.probe.why ?? '', why);
    }
  } finally {
    if (before === undefined) delete process.env['PJRT_PLUGIN_LIBRARY_PATH'];
    else process.env['PJRT_PLUGIN_LIBRARY_PATH'] = before;
  }
});
