import { EspalierError, messageOf } from '../../../core/index.js';
import { findLibrary } from './find.js';
import { Client, type DeviceFacts } from './pjrt/client.js';
import { PjrtPlugin } from './pjrt/plugin.js';

/** Clients by library; they stay open until the process ends. */
const clients = new Map<string, Client>();
let chosen: Client | undefined;

/**
 * Returns the device of the machine's PJRT plugin.
 * @throws EspalierError if there is none, or it does not start
 */
export function openDevice(): Client {
  if (chosen !== undefined) return chosen;
  const file = findLibrary();
  if (file === undefined)
    throw new EspalierError(
      'ESP_ENGINE',
      'no PJRT plugin is installed: for a GPU or TPU, run `espalier engine install xla`; to use another one, set PJRT_PLUGIN_LIBRARY_PATH to its file',
    );
  const known = clients.get(file);
  if (known !== undefined) return known;
  try {
    const client = Client.open(new PjrtPlugin(file));
    clients.set(file, client);
    return client;
  } catch (thrown) {
    throw new EspalierError('ESP_ENGINE', `the PJRT plugin ${file} does not start: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}

/** Replaces the engine's device, to inspect what it compiles. @returns a function that restores the previous one */
export function useDevice(client: Client): () => void {
  const before = chosen;
  chosen = client;
  return () => {
    chosen = before;
  };
}

/** Returns platform, devices and PJRT version in one line. */
export function describeDevice({
  facts: { platform, deviceKind, deviceKinds },
  plugin,
}: {
  readonly facts: Pick<DeviceFacts, 'platform' | 'deviceKind' | 'deviceKinds'>;
  readonly plugin: { readonly version: string };
}): string {
  const counts = new Map<string, number>();
  for (const kind of deviceKinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const all = Array.from(counts, ([kind, count]) => `${String(count)} × ${kind}`).join(', ');
  const one = deviceKind === platform ? platform : `${platform} (${deviceKind})`;
  const device = deviceKinds.length === 1 ? one : `${platform} (the first of ${all})`;
  return `XLA on ${device}, PJRT ${plugin.version}`;
}

/** What `precision: auto` means on the device: GPUs and TPUs multiply bfloat16 faster. */
export function autoPrecision({ facts: { platform } }: Client): 'f32' | 'bf16' {
  return platform === 'cpu' ? 'f32' : 'bf16';
}
