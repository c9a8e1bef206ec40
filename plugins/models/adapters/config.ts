import { z } from 'zod';
import { messageOf, UsageError } from '../../../core/index.js';
import { readSmallJson } from '../weights/small-json.js';

export const ADAPTER_CONFIG = 'adapter_config.json';

const patternSchema = z
  .record(z.string(), z.number())
  .nullish()
  .transform((patterns) => patterns ?? {});

/** Source: `LoraConfig` of peft 0.21, `tuners/lora/config.py`. */
const adapterSchema = z.looseObject({
  peft_type: z.string(),
  base_model_name_or_path: z.string().nullish(),
  r: z.int().min(1),
  lora_alpha: z.number().gt(0),
  target_modules: z.union([z.string(), z.array(z.string())]).nullish(),
  layers_to_transform: z.union([z.int(), z.array(z.int())]).nullish(),
  rank_pattern: patternSchema,
  alpha_pattern: patternSchema,
  use_rslora: z.boolean().nullish(),
  bias: z.string().nullish(),
  init_lora_weights: z.union([z.boolean(), z.string()]).nullish(),
});
export type AdapterConfig = z.output<typeof adapterSchema>;

/** Settings that make an adapter more than A and B, and what they add. */
const MORE_THAN_LORA: Readonly<Record<string, string>> = {
  use_dora: 'DoRA',
  lora_bias: 'biases of LoRA’s layers',
  modules_to_save: 'fully trained modules',
  trainable_token_indices: 'individually trained tokens',
  target_parameters: 'LoRA on parameters outside modules',
  layer_replication: 'repeated layers',
  alora_invocation_tokens: 'activated LoRA',
  use_qalora: 'QA-LoRA',
  use_bdlora: 'block-diagonal LoRA',
  arrow_config: 'Arrow routing',
  kasa_config: 'KaSA',
  monteclora_config: 'MonteCLoRA',
};
/**
 * Initializations of A and B that leave the base model's weights unchanged; the others (PiSSA, OLoRA, …) change them.
 */
const PLAIN_STARTS: readonly unknown[] = [undefined, null, true, false, 'gaussian', 'eva', 'orthogonal', 'lora_ga'];

/**
 * Reads the `adapter_config.json` of a LoRA adapter.
 * @throws UsageError naming a setting that makes it more than LoRA's A and B
 */
export async function readAdapterConfig(file: string): Promise<AdapterConfig> {
  let config: AdapterConfig;
  try {
    const parsed = adapterSchema.safeParse(await readSmallJson(file));
    if (!parsed.success) throw new Error(z.prettifyError(parsed.error));
    config = parsed.data;
  } catch (thrown) {
    throw new UsageError('ESP_PRETRAINED', `${file} is not a LoRA adapter that can be loaded: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
  const refused = refusedSetting(config);
  if (refused === undefined) return config;
  throw new UsageError(
    'ESP_PRETRAINED',
    `${file} has ${refused}, which is not supported; merge the adapter into its model (merge_and_unload() of peft), save that, and set init to it`,
  );
}

function refusedSetting(config: AdapterConfig): string | undefined {
  const shown = (key: string): string => `${key} ${JSON.stringify(config[key])}`;
  if (config.peft_type !== 'LORA') return `${shown('peft_type')}, an adapter other than LoRA`;
  const [more] = Object.entries(MORE_THAN_LORA).filter(([key]) => !isOff(config[key]));
  if (more !== undefined) return `${shown(more[0])} (${more[1]})`;
  if (!isOff(config.bias) && config.bias !== 'none') return `${shown('bias')}, trained biases`;
  if (PLAIN_STARTS.includes(config.init_lora_weights)) return undefined;
  return `${shown('init_lora_weights')}, for which peft changes the base model’s weights`;
}

function isOff(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** Returns a module's rank and the factor of A B. @param module full name, without peft's prefix */
export function rankAndScale(config: AdapterConfig, module: string): { rank: number; scale: number } {
  const rank = patternValue(config.rank_pattern, module) ?? config.r;
  const alpha = patternValue(config.alpha_pattern, module) ?? config.lora_alpha;
  // Source: Kalajdzievski, "A rank stabilization scaling factor for fine-tuning with LoRA", 2023.
  return { rank, scale: alpha / (config.use_rslora === true ? Math.sqrt(rank) : rank) };
}

/** Returns true if `target_modules` names the module, with peft's rules. */
export function isTarget(
  { target_modules: targets, layers_to_transform: layers }: AdapterConfig,
  module: string,
): boolean {
  if (targets === undefined || targets === null || targets === 'all-linear') return true;
  if (typeof targets === 'string') return pattern(targets, 'target_modules').test(module);
  if (!targets.some((target) => module === target || module.endsWith(`.${target}`))) return false;
  const chosen = typeof layers === 'number' ? [layers] : (layers ?? []);
  const layer = /\.(\d+)\./.exec(module)?.[1];
  return chosen.length === 0 || targets.includes(module) || chosen.includes(Number(layer ?? NaN));
}

/**
 * Returns the value of the first pattern that matches a module's name or the end of it. Source: `get_pattern_key` of
 * peft.
 */
function patternValue(patterns: Readonly<Record<string, number>>, module: string): number | undefined {
  return Object.entries(patterns).find(([key]) => pattern(`(?:.*\\.)?(?:${key})`, key).test(module))?.[1];
}

function pattern(source: string, shown: string): RegExp {
  try {
    return new RegExp(`^(?:${source})$`);
  } catch (thrown) {
    throw new UsageError(
      'ESP_PRETRAINED',
      `${ADAPTER_CONFIG}: the pattern ${shown} is not supported (${messageOf(thrown)}); write the modules’ names instead`,
      { cause: thrown },
    );
  }
}
