/**
 * Sums the entropy of the rows of one head's attention weights [time, time]: in nats, and as a share of the maximum,
 * which is ln(t + 1) for row t. The first row attends to one position only and is left out.
 */
export function rowEntropies(weights: Float64Array, time: number): { nats: number; share: number } {
  let [nats, share] = [0, 0];
  for (let t = 1; t < time; t++) {
    let entropy = 0;
    for (let s = 0; s <= t; s++) {
      const weight = weights[t * time + s]!;
      if (weight > 0) entropy -= weight * Math.log(weight);
    }
    nats += entropy;
    share += entropy / Math.log(t + 1);
  }
  return { nats, share };
}
