import { isDeepStrictEqual } from 'node:util';
import { UsageError } from '../../../core/index.js';
import type { Described, ReadableModel } from './formats.js';

/** What the config says of an option of `model`. */
export interface GivenOption {
  readonly value: unknown;
  /** Where the user wrote it, as errors name it; undefined for what a preset or a default says. */
  readonly place: string | undefined;
}

/** What weights say of the options of their model. */
export type NeededOptions = Pick<ReadableModel, 'options' | 'alike' | 'block'>;

/**
 * The options of `model` that the weights need and that the config gives otherwise. What presets and defaults say is
 * replaced; `block_size` may be smaller; what the format does not name (`dropout`, LoRA) is the user's.
 * @param origin where the model's `config.json` is, as errors name it
 * @throws UsageError for another value of the user's, naming both places
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
        `${place}: model.${option} is ${JSON.stringify(value)}, but the weights that init names need ${JSON.stringify(wanted)} (${origin}); take it out, or start from other weights; only block_size (smaller), dropout and LoRA are yours`,
      );
    }
  }
  if (block === undefined) return needed;
  const { value, place } = given('block_size');
  if (typeof value === 'number' && value <= block.most) return needed;
  if (place === undefined) return { ...needed, block_size: block.default };
  throw refusal(
    `${place}: model.block_size is ${JSON.stringify(value)}, and ${origin} has ${block.what}; set it to at most ${String(block.most)}, or take it out`,
  );
}

function refusal(message: string): UsageError {
  return new UsageError('ESP_PRETRAINED', message);
}
