import type { AttentionSizes, DropoutArguments, Floats, Optional } from './types.js';

/** documents [batch, time] */
type Head = [...AttentionSizes, ...DropoutArguments, bf16: boolean, documents: Optional<Int32Array>];

/** Attention over queries, keys and values side by side. See src/attention_calls.cc. */
export interface AttentionCalls {
  /** qkv [batch, time, 3 · heads · part] → y [batch, time, heads · part], logSum [batch, heads, time]. */
  attention(...call: [...Head, qkv: Floats, y: Floats, logSum: Floats]): void;
  attentionGradient(...call: [...Head, dy: Floats, qkv: Floats, logSum: Floats, dqkv: Floats]): void;
  /**
   * qkv [texts, (heads + 2 · keyValueHeads) · part] of one position; keys and values
   * [texts, capacity, keyValueHeads · part] take it up.
   */
  nextAttention(
    ...call: [
      ...[texts: number, heads: number, keyValueHeads: number, part: number, capacity: number, position: number],
      ...[qkv: Floats, keys: Floats, values: Floats, y: Floats],
    ]
  ): void;
  /** cos and sin [time, part / 2]; qkv [rows, (heads + 2 · keyValueHeads) · part] in steps of time; y may be qkv. */
  rotary(
    ...call: [
      ...[rows: number, time: number, heads: number, keyValueHeads: number, part: number],
      ...[cos: Floats, sin: Floats, qkv: Floats, y: Floats],
    ]
  ): void;
}
