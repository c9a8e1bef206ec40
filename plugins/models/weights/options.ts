import { isDeepStrictEqual } from 'node:util';
import { UsageError } from '../../../core/index.js';
import type { Described, ReadableModel } from './formats.js';

/** The config's value of an option of `model`. */
export interface GivenOption {
  readonly value: unknown;
  /** Where the user wrote it, for errors; undefined for a preset's or default value. */
  readonly place: string | undefined;
}

/** The model options that weights require. */
export type NeededOptions = Pick<ReadableModel, 'options' | 'alike' | 'block'>;

/**
 * Returns the options of `model` that the weights require and that the config sets otherwise. Values of presets and
 * defaults are replaced; `block_size` may be smaller; options that the format does not mention (`dropout`, LoRA) are
 * free.
 * @param origin where the model's `config.json` is, for errors
 * @throws UsageError for a conflicting value of the user's, naming both places
 */
export function neededOptions(
  { options, alike = {}, block }: NeededOptions,
  origin: string,
  given: (option: string) => GivenOption,
): Described {
  const needed: Record<string, unknown> = {};
  for (const [option, wanted] of Object.entries(options)) {
    const { value, place } = given(option);
    if (place === undefined) needed[option] = wanted;
    else if (![wanted, ...(alike[option] ?? [])].some((each) => isDeepStrictEqual(each, value))) {
      throw refusal(
        `${place}: model.${option} is ${JSON.stringify(value)}, but the weights that init names need ${JSON.stringify(wanted)} (${origin}); remove the setting, or start from other weights; only block_size (smaller), dropout and LoRA can be set freely`,
      );
    }
  }
  if (block === undefined) return needed;
  const { value, place } = given('block_size');
  if (typeof value === 'number' && value <= block.most) return needed;
  if (place === undefined) return { ...needed, block_size: block.default };
  throw refusal(
    `${place}: model.block_size is ${JSON.stringify(value)}, and ${origin} has ${block.what}; set it to at most ${String(block.most)}, or remove it`,
  );
}

function refusal(message: string): UsageError {
  return new UsageError('ESP_PRETRAINED', message);
}
