import { existsSync } from 'node:fs';
import path from 'node:path';
import { isUsageError, messageOf, type UsageError } from '../../../core/index.js';
import { resolveFrom } from '../../../core/paths.js';
import { hasSafetensors } from '../../checkpoint/contract.js';
import { findFolder, type FindRequest, type FoundFolder } from '../weights/find.js';
import { ADAPTER_CONFIG, readAdapterConfig } from './config.js';
import { refusal } from '../weights/refusal.js';

/** An adapter in a folder, and its base model. */
export interface FoundAdapter {
  readonly folder: string;
  /** Origin of its config, for `explain`. */
  readonly origin: { readonly source: string; readonly file: string };
  readonly base: FoundFolder;
  /** The path of the base model, or its name on the Hub. */
  readonly baseName: string;
}

/**
 * Finds the adapter that `init` names, and its base model; undefined if it names none.
 * @throws UsageError if the base model is not named or not found
 */
export async function findAdapter(init: string, request: FindRequest): Promise<FoundAdapter | undefined> {
  const folder = resolveFrom(request.cwd, init);
  const file = path.join(folder, ADAPTER_CONFIG);
  // A folder with a complete model may contain an adapter's config too.
  if (!existsSync(file) || hasSafetensors(folder)) return undefined;
  const source = path.join(init, ADAPTER_CONFIG);
  const name = (await readAdapterConfig(file)).base_model_name_or_path ?? '';
  const todo = 'set base_model_name_or_path there to the folder of that model, or its name on the Hugging Face Hub';
  if (name === '') throw refusal(`${source} does not name its base model`, todo);
  const beside = path.resolve(folder, name);
  const isBeside = !existsSync(resolveFrom(request.cwd, name)) && existsSync(beside);
  const baseName = isBeside ? beside : name;
  const base = await baseIn(baseName, request, (why) => refusal(`${source}: its base model ${name} ${why}`, todo));
  return { folder, origin: { source, file }, base, baseName };
}

async function baseIn(name: string, request: FindRequest, refused: (why: string) => UsageError): Promise<FoundFolder> {
  let found: FoundFolder | undefined;
  try {
    found = await findFolder(name, request);
  } catch (thrown) {
    throw isUsageError(thrown) ? refused(`cannot be read (${messageOf(thrown)})`) : thrown;
  }
  if (found === undefined) throw refused('is not a model folder on this machine');
  return found;
}
