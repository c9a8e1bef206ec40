import { type HeadSizes, headSizes } from '../../../ops/contract.js';
import type { KernelCall, Kernels } from '../kernel.js';
import { allAxes, type Graph } from '../stablehlo/graph.js';
import { at, type Form, type Value } from '../stablehlo/program.js';
import { partsOf } from './heads.js';

/** Compute capabilities that have the kernel, and that have it for wide heads. */
const AMPERE = 8;
const HOPPER = 9;

/**
 * Axes of the kernel's products: contracted ones, and those of the heads. Queries, keys, values and results are
 * [batch, time, heads, headDim], scores [batch, heads, time, time].
 */
type Axes = readonly [summedOfA: number, summedOfB: number, headsOfA: number, headsOfB: number];
type Products = Readonly<Record<string, Axes>>;

const FORWARD: Products = { bmm1: [3, 3, 2, 2], bmm2: [3, 1, 1, 2] };
const BACKWARD: Products = {
  bmm1_grad_gemm1: [2, 1, 1, 2],
  bmm1_grad_gemm2: [3, 1, 1, 2],
  bmm2_grad_gemm1: [2, 1, 1, 2],
  bmm2_grad_gemm2: [3, 3, 2, 2],
};

/**
 * Causal attention by cuDNN's fused kernel, in bfloat16, without scores [time, time] in memory; undefined if cuDNN has no
 * such kernel.
 * Source: what JAX 0.10 lowers `jax.nn.dot_product_attention(implementation='cudnn')` to.
 */
export const fusedAttentionKernels: Kernels = {
  EspalierCausalAttention: (call) => {
    const sizes = headSizes(call.inputs.get('qkv'), call.attributes);
    if (!isFused(call, sizes)) return undefined;
    const [y, logSum] = forward(call, headsOf(call, sizes), sizes);
    return [sideBySide(call.graph, [y]), logSum];
  },
  // Repeats the call of the forward kernel, whose result it needs; XLA merges the two calls.
  EspalierCausalAttentionGrad: (call) => {
    const { graph } = call;
    const sizes = headSizes(call.inputs.get('qkv'), call.attributes);
    if (!isFused(call, sizes)) return undefined;
    const parts = headsOf(call, sizes);
    const [y] = forward(call, parts, sizes);
    const dy = graph.reshape(graph.convert(call.get('dy'), 'bf16'), at(parts, 0).shape);
    const given = [...parts, call.get('logSum'), dy, graph.transpose(y, [0, 2, 1, 3])];
    const made = fused(graph, '__cudnn$fmhaSoftmaxBackward', given, parts.map(byHeads), BACKWARD);
    return sideBySide(graph, made);
  },
};

function isFused({ graph, attributes, inputs }: KernelCall, { headDim }: HeadSizes): boolean {
  const widest = graph.capability >= HOPPER ? 256 : 128;
  const isKnown = graph.products === 'bf16' && graph.capability >= AMPERE && headDim % 8 === 0 && headDim <= widest;
  // With dropout, cuDNN would draw its own mask.
  return isKnown && attributes.number('rate') === 0 && inputs.optional('documents') === undefined;
}

/** Queries, keys and values [batch, time, heads, headDim] in bfloat16. */
function headsOf(call: KernelCall, sizes: HeadSizes): Value[] {
  const { headDim, heads, keyValueHeads } = sizes;
  const { graph } = call;
  const [batch = 0, time = 0] = call.inputs.get('qkv').shape;
  return partsOf(graph, graph.convert(call.get('qkv'), 'bf16'), sizes).map((part, index) =>
    graph.reshape(part, [batch, time, index === 0 ? heads : keyValueHeads, headDim]),
  );
}

function forward({ graph }: KernelCall, parts: readonly Value[], { heads }: HeadSizes): readonly [Value, Value] {
  const queries = at(parts, 0);
  const [batch = 0, time = 0] = queries.shape;
  const forms = [byHeads(queries), { shape: [batch, heads, time], type: 'f32' } as const];
  const made = fused(graph, '__cudnn$fmhaSoftmax', parts, forms, FORWARD);
  return [at(made, 0), at(made, 1)];
}

/** Calls a cuDNN kernel, which has its workspace as an extra result, on each device's rows. @param given queries first */
function fused(
  graph: Graph,
  target: string,
  given: readonly Value[],
  forms: readonly Form[],
  products: Products,
): readonly Value[] {
  return graph.byRows(given, forms, (own, ownForms) => fusedOnOne(graph, target, own, ownForms, products));
}

function fusedOnOne(
  graph: Graph,
  target: string,
  given: readonly Value[],
  forms: readonly Form[],
  products: Products,
): readonly Value[] {
  const config = configOf(at(given, 0), products);
  // Axes from the fastest-varying one: results have the layout of queries, time before heads.
  const order = ({ shape }: Form, axes: readonly number[]): string =>
    `dense<${shape.length === 1 ? '0' : `[${axes.join(', ')}]`}> : tensor<${String(shape.length)}xindex>`;
  const rowMajor = (form: Form): string => order(form, allAxes(form).reverse());
  const results = forms.map((form) => (form.shape.length === 4 ? order(form, [3, 1, 2, 0]) : rowMajor(form)));
  const workspace = { shape: [0], type: 'ui8' } as const;
  const text = JSON.stringify({ operation_queue_id: '0', cudnn_fmha_backend_config: config });
  const attributes = [
    `call_target_name = "${target}"`,
    'api_version = 2 : i32',
    `backend_config = "${text.replaceAll('"', '\\22')}"`,
    `operand_layouts = [${given.map(rowMajor).join(', ')}]`,
    `result_layouts = [${[...results, rowMajor(workspace)].join(', ')}]`,
  ];
  return graph.operations('custom_call', given, [...forms, workspace], attributes.join(', ')).slice(0, -1);
}

/** Returns XLA's CudnnfMHABackendConfig as JSON. */
function configOf({ shape: [batch = 0, time = 0, heads = 0, headDim = 0] }: Form, products: Products): object {
  const described: (readonly [string, object])[] = Object.entries(products).map(
    ([name, [summedOfA, summedOfB, headsOfA, headsOfB]]) => [
      `${name}_dot_dimension_numbers`,
      {
        lhs_contracting_dimensions: [String(summedOfA)],
        rhs_contracting_dimensions: [String(summedOfB)],
        lhs_batch_dimensions: ['0', String(headsOfA)],
        rhs_batch_dimensions: ['0', String(headsOfB)],
      },
    ],
  );
  return {
    algorithm: {
      algo_id: '0',
      math_type: 'TENSOR_OP_MATH',
      tuning_knobs: { 17: '1', 24: '0' },
      is_cudnn_frontend: true,
      workspace_size: '0',
    },
    fmha_scale: 1 / Math.sqrt(headDim),
    intermediate_tensor_shape: {
      element_type: 'BF16',
      dimensions: [batch, heads, time, time].map(String),
      layout: { minor_to_major: ['3', '2', '1', '0'] },
      is_dynamic_dimension: [false, false, false, false],
    },
    is_flash_attention: true,
    mask_type: 'CAUSAL',
    ...Object.fromEntries(described),
    dropout_rate: 0,
    seed: 42,
    sliding_window_length: 0,
    max_seg_per_batch: 1,
    is_paged_attention: false,
  };
}

/** [batch, time, heads, headDim] → the form [batch, heads, time, headDim] */
function byHeads({ shape: [batch = 0, time = 0, heads = 0, headDim = 0], type }: Form): Form {
  return { shape: [batch, heads, time, headDim], type };
}

/** Tensors [batch, heads, time, headDim] → [batch, time, all heads · headDim] in float32 */
function sideBySide(graph: Graph, parts: readonly Value[]): Value {
  const flat = parts.map((part) => {
    const [batch = 0, heads = 0, time = 0, headDim = 0] = part.shape;
    return graph.reshape(graph.transpose(part, [0, 2, 1, 3]), [batch, time, heads * headDim]);
  });
  return graph.convert(graph.concat(flat, 2), 'f32');
}
