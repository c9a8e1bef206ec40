import type { StoredTensor } from '../../../core/index.js';

/** The matrices that Hugging Face's GPT-2 keeps as [in, out] and nanoGPT, with `nn.Linear`, as [out, in]. */
const PROJECTION = /\.(attn\.c_attn|attn\.c_proj|mlp\.c_fc|mlp\.c_proj)\.weight$/;

/** True for a weight whose layout the two have the other way round. */
export function isProjection(name: string): boolean {
  return PROJECTION.test(name);
}

/** [rows, columns] → [columns, rows] */
export function transposed({ shape: [rows = 0, columns = 0], values }: StoredTensor): StoredTensor {
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) turned[column * rows + row] = values[row * columns + column] ?? 0;
  }
  return { shape: [columns, rows], values: turned };
}
