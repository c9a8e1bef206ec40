import { existsSync } from 'node:fs';
import { EspalierError, messageOf } from '../../../core/index.js';
import { Client } from './pjrt/client.js';
import { PjrtPlugin } from './pjrt/plugin.js';

/** Names the plugin's library, as for other programs that load one. */
export const LIBRARY_VARIABLE = 'PJRT_PLUGIN_LIBRARY_PATH';

/** By library: it and its device stay until the process ends. */
const clients = new Map<string, Client>();
let chosen: Client | undefined;

/**
 * The device of the machine's PJRT plugin.
 * @throws EspalierError when there is none, or it does not start
 */
export function openDevice(): Client {
  if (chosen !== undefined) return chosen;
  const file = process.env[LIBRARY_VARIABLE] ?? '';
  if (file === '')
    throw new EspalierError('ESP_ENGINE', `${LIBRARY_VARIABLE} names no PJRT plugin: set it to the file of one`);
  if (!existsSync(file))
    throw new EspalierError('ESP_ENGINE', `${LIBRARY_VARIABLE} names ${file}, which does not exist`);
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
