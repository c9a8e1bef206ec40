import { EspalierError, messageOf } from '../../../core/index.js';
import { findLibrary } from './find.js';
import { Client } from './pjrt/client.js';
import { PjrtPlugin } from './pjrt/plugin.js';

/** By library: it and its device stay until the process ends. */
const clients = new Map<string, Client>();
let chosen: Client | undefined;

/**
 * The device of the machine's PJRT plugin.
 * @throws EspalierError when there is none, or it does not start
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

/** Makes a device the engine's in place of the machine's, for programs that look at what is compiled. @returns how to undo it */
export function useDevice(client: Client): () => void {
  const before = chosen;
  chosen = client;
  return () => {
    chosen = before;
  };
}

/** Platform, device and version of the interface in one line. */
export function describeDevice({ platform, deviceKind, plugin }: Client): string {
  const device = deviceKind === platform ? platform : `${platform} (${deviceKind})`;
  return `XLA on ${device}, PJRT ${plugin.version}`;
}

/** What `precision: auto` means on the device: GPUs and TPUs multiply bfloat16 faster. */
export function autoPrecision({ platform }: Client): 'f32' | 'bf16' {
  return platform === 'cpu' ? 'f32' : 'bf16';
}
