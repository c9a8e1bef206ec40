import type { AttentionSizes, DropoutArguments, Floats, HeadArguments, Optional } from './types.js';

/** documents [batch, time] */
type Head = [...AttentionSizes, ...DropoutArguments, bf16: boolean, documents: Optional<Int32Array>];
type QueryKeyNorm = [rows: number, ...HeadArguments, epsilon: number];

/**
 * Attention over queries, keys and values side by side: `row` is (heads + 2 · keyValueHeads) · headDim. See
 * src/attention_calls.cc.
 */
export interface AttentionCalls {
  /** qkv [batch, time, row] → y [batch, time, heads · headDim], logSum [batch, heads, time]. */
  attention(...call: [...Head, qkv: Floats, y: Floats, logSum: Floats]): void;
  attentionGradient(...call: [...Head, dy: Floats, qkv: Floats, logSum: Floats, dqkv: Floats]): void;
  /** qkv [texts, row] of one position, which is added to keys and values [texts, capacity, keyValueHeads · headDim]. */
  nextAttention(
    ...call: [
      ...[texts: number, ...HeadArguments, capacity: number, position: number],
      ...[qkv: Floats, keys: Floats, values: Floats, y: Floats],
    ]
  ): void;
  /** cos and sin [time, headDim / 2]; qkv [rows, row] with position = row modulo time; y may be qkv. */
  rotary(
    ...call: [...[rows: number, time: number, ...HeadArguments], ...[cos: Floats, sin: Floats, qkv: Floats, y: Floats]]
  ): void;
  /** qkv [rows, row], weights [headDim] → the shape of qkv. */
  queryKeyNorm(...call: [...QueryKeyNorm, qkv: Floats, queryWeight: Floats, keyWeight: Floats, y: Floats]): void;
  queryKeyNormGradient(
    ...call: [
      ...[...QueryKeyNorm, dy: Floats, qkv: Floats, queryWeight: Floats, keyWeight: Floats],
      ...[dqkv: Floats, dQueryWeight: Floats, dKeyWeight: Floats],
    ]
  ): void;
}
