import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A GPU to compile for without having one. */
export interface Card {
  readonly name: string;
  /** XLA's description: GpuTargetConfigProto as text. */
  readonly description: string;
  /** CUDA's compute capability. */
  readonly capability: number;
  /** Peak bfloat16 operations per second, with sums in float32. */
  readonly flops: number;
  /** Memory bandwidth in bytes per second. */
  readonly bandwidth: number;
}

/** XLA's key of bfloat16. */
const BF16 = 16;

/**
 * The H200 as XLA ships its description; the RTX 4090 in the same form, after NVIDIA's "Ada GPU architecture" (2023),
 * appendix A: 128 cores, 1008 GB/s, 165 TFLOP/s in bfloat16 with sums in float32.
 */
export const cards: readonly Card[] = [cardOf('H200', 'h200'), cardOf('RTX 4090', 'rtx4090')];

function cardOf(name: string, file: string): Card {
  const path = fileURLToPath(new URL(`../../../../test/fixtures/xla/${file}.txtpb`, import.meta.url));
  const description = readFileSync(path, 'utf8');
  const number = (pattern: RegExp): number => Number(pattern.exec(description)?.[1] ?? 0);
  const [matrices = ''] = /matrix_unit_description[^]*/.exec(description) ?? [];
  const [, clock = 0, units = 0, perClock = 0] = (
    new RegExp(
      `key: ${String(BF16)}\\s+value \\{\\s+clock_rate_ghz: ([\\d.]+)\\s+units_per_core: (\\d+)\\s+ops_per_clock: (\\d+)`,
    ).exec(matrices) ?? []
  ).map(Number);
  return {
    name,
    description,
    capability: number(/major: (\d+)/) + number(/minor: (\d+)/) / 10,
    flops: 2e9 * clock * units * perClock * number(/core_count: (\d+)/),
    bandwidth: number(/memory_bandwidth: (\d+)/),
  };
}
