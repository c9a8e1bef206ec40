/** The options of a Llama that the reference needs. */
export interface ReferenceConfig {
  readonly n_head: number;
  readonly n_kv_head: number;
  readonly head_dim: number;
  readonly norm_epsilon: number;
  readonly frequencies: readonly number[];
  readonly activation: (x: number) => number;
  readonly lora_alpha: number;
}

/** Rows of numbers. */
type Rows = readonly (readonly number[])[];
/** Returns a weight by name, as rows (a vector is one row); undefined if the model has none. */
export type RowsOf = (name: string) => Rows | undefined;

/** Called with the attention weights of each position of each head. */
export type Visit = (block: number, head: number, shares: readonly number[]) => void;

/** Computes logits [time, vocab] of one text, head by head and position by position, in f64. */
export function llamaLogits(
  config: ReferenceConfig,
  weights: RowsOf,
  ids: readonly number[],
  visit?: Visit,
): number[][] {
  const of = (name: string): Rows => weights(name) ?? fail(name);
  const norm = (x: Rows, name: string): number[][] =>
    x.map((row) => normed(row, of(name)[0] ?? [], config.norm_epsilon));
  const layer = (x: Rows, name: string): number[][] => {
    const [a, b, bias] = [weights(`${name}.lora_A`), weights(`${name}.lora_B`), weights(`${name}.bias`)?.[0]];
    const main = product(x, of(`${name}.weight`));
    const low = a === undefined || b === undefined ? undefined : product(product(x, a), b);
    const scale = config.lora_alpha / (a?.[0]?.length ?? 1);
    return main.map((row, t) => row.map((y, j) => y + (bias?.[j] ?? 0) + scale * (low?.[t]?.[j] ?? 0)));
  };
  const table = withLora(weights, 'model.embed_tokens', config.lora_alpha);
  let x: number[][] = ids.map((id) => [...(table[id] ?? [])]);
  for (let n = 0; weights(`model.layers.${String(n)}.input_layernorm.weight`) !== undefined; n++) {
    const at = `model.layers.${String(n)}`;
    const qkv = layer(norm(x, `${at}.input_layernorm.weight`), `${at}.self_attn.qkv_proj`);
    const [q, k] = [weights(`${at}.self_attn.q_norm.weight`)?.[0], weights(`${at}.self_attn.k_norm.weight`)?.[0]];
    const heads = attended(config, qkv, [q, k], (head, shares) => visit?.(n, head, shares));
    x = sum(x, layer(heads, `${at}.self_attn.o_proj`));
    const input = norm(x, `${at}.post_attention_layernorm.weight`);
    const [gate, up] = [layer(input, `${at}.mlp.gate_proj`), layer(input, `${at}.mlp.up_proj`)];
    const hidden = gate.map((row, t) => row.map((g, j) => config.activation(g) * (up[t]?.[j] ?? NaN)));
    x = sum(x, layer(hidden, `${at}.mlp.down_proj`));
  }
  const head = weights('lm_head.weight') ?? table;
  return norm(x, 'model.norm.weight').map((row) => head.map((token) => dot(row, token)));
}

/** Maps qkv [time, (heads + 2 · keyValueHeads) · headDim] to [time, heads · headDim]. */
function attended(
  config: ReferenceConfig,
  qkv: Rows,
  [q, k]: readonly (readonly number[] | undefined)[],
  visit: (head: number, shares: readonly number[]) => void,
): number[][] {
  const { n_head, n_kv_head, head_dim, norm_epsilon } = config;
  const part = (t: number, head: number, weight?: readonly number[]): number[] => {
    const row = (qkv[t] ?? []).slice(head * head_dim, (head + 1) * head_dim);
    return weight === undefined ? row : normed(row, weight, norm_epsilon);
  };
  return qkv.map((_, t) =>
    Array.from({ length: n_head }, (__, head) => {
      const shared = Math.floor((head * n_kv_head) / n_head);
      const query = turned(part(t, head, q), t, config.frequencies);
      const before = Array.from({ length: t + 1 }, (___, s) => s);
      const scores = before.map((s) =>
        Math.exp(dot(query, turned(part(s, n_head + shared, k), s, config.frequencies)) / Math.sqrt(head_dim)),
      );
      const total = scores.reduce((all, score) => all + score, 0);
      const shares = scores.map((score) => score / total);
      visit(head, shares);
      const values = before.map((s) => part(s, n_head + n_kv_head + shared));
      return Array.from({ length: head_dim }, (___, j) =>
        shares.reduce((all, share, s) => all + share * (values[s]?.[j] ?? NaN), 0),
      );
    }).flat(),
  );
}

/** Multiplies pairs of the first and second half, as complex numbers, by e^(i · t · frequency). */
function turned(row: readonly number[], t: number, frequencies: readonly number[]): number[] {
  const half = frequencies.length;
  return row.map((value, i) => {
    const angle = t * (frequencies[i % half] ?? NaN);
    const other = i < half ? -(row[i + half] ?? NaN) : (row[i - half] ?? NaN);
    return value * Math.cos(angle) + other * Math.sin(angle);
  });
}

function withLora(weights: RowsOf, name: string, alpha: number): number[][] {
  const [main, a, b] = [weights(`${name}.weight`) ?? fail(name), weights(`${name}.lora_A`), weights(`${name}.lora_B`)];
  const low = a === undefined || b === undefined ? undefined : product(a, b);
  return main.map((row, i) => row.map((value, j) => value + (alpha / (b?.length ?? 1)) * (low?.[i]?.[j] ?? 0)));
}

function normed(row: readonly number[], weight: readonly number[], epsilon: number): number[] {
  const root = Math.sqrt(dot(row, row) / row.length + epsilon);
  return row.map((value, j) => (value / root) * (weight[j] ?? NaN));
}

function product(x: Rows, weight: Rows): number[][] {
  const columns = weight[0]?.length ?? 0;
  return x.map((row) =>
    Array.from({ length: columns }, (_, j) => row.reduce((all, value, i) => all + value * (weight[i]?.[j] ?? NaN), 0)),
  );
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((all, value, i) => all + value * (b[i] ?? NaN), 0);
}

function sum(a: Rows, b: Rows): number[][] {
  return a.map((row, t) => row.map((value, j) => value + (b[t]?.[j] ?? NaN)));
}

function fail(name: string): never {
  throw new Error(`the model has no weight ${name}`);
}
