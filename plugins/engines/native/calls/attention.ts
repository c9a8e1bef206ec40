import type { AttentionSizes, DropoutArguments, Floats, HeadSizes, Optional } from './types.js';

/** documents [batch, time] */
type Head = [...AttentionSizes, ...DropoutArguments, bf16: boolean, documents: Optional<Int32Array>];
type QueryKeyNorm = [rows: number, ...HeadSizes, epsilon: number];

/** Attention over queries, keys and values side by side: `row` is (heads + 2 · keyValueHeads) · part. See src/attention_calls.cc. */
export interface AttentionCalls {
  /** qkv [batch, time, row] → y [batch, time, heads · part], logSum [batch, heads, time]. */
  attention(...call: [...Head, qkv: Floats, y: Floats, logSum: Floats]): void;
  attentionGradient(...call: [...Head, dy: Floats, qkv: Floats, logSum: Floats, dqkv: Floats]): void;
  /** qkv [texts, row] of one position; keys and values [texts, capacity, keyValueHeads · part] take it up. */
  nextAttention(
    ...call: [
      ...[texts: number, ...HeadSizes, capacity: number, position: number],
      ...[qkv: Floats, keys: Floats, values: Floats, y: Floats],
    ]
  ): void;
  /** cos and sin [time, part / 2]; qkv [rows, row] in steps of time; y may be qkv. */
  rotary(
    ...call: [...[rows: number, time: number, ...HeadSizes], ...[cos: Floats, sin: Floats, qkv: Floats, y: Floats]]
  ): void;
  /** qkv [rows, row], weights [part] → the shape of qkv. */
  queryKeyNorm(...call: [...QueryKeyNorm, qkv: Floats, queryWeight: Floats, keyWeight: Floats, y: Floats]): void;
  queryKeyNormGradient(
    ...call: [
      ...[...QueryKeyNorm, dy: Floats, qkv: Floats, queryWeight: Floats, keyWeight: Floats],
      ...[dqkv: Floats, dQueryWeight: Floats, dKeyWeight: Floats],
    ]
  ): void;
}
