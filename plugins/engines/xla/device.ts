import { EspalierError, messageOf, UsageError } from '../../../core/index.js';
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

/** What a description needs. */
interface Described {
  readonly facts: Pick<DeviceFacts, 'platform' | 'deviceKind' | 'deviceKinds'>;
  readonly plugin: { readonly version: string };
}

/** Returns platform, devices and PJRT version in one line. @param used number of devices in use */
export function describeDevice({ facts: { platform, deviceKind, deviceKinds }, plugin }: Described, used = 1): string {
  const counts = new Map<string, number>();
  for (const kind of deviceKinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const all = Array.from(counts, ([kind, count]) => `${String(count)} × ${kind}`).join(', ');
  const first = used === 1 ? 'the first' : `the first ${String(used)}`;
  const one = deviceKind === platform ? platform : `${platform} (${deviceKind})`;
  const device = deviceKinds.length === 1 ? one : `${platform} (${first} of ${all})`;
  return `XLA on ${device}, PJRT ${plugin.version}`;
}

/**
 * Returns how many devices a run uses.
 * @param wanted of the plugin's option `devices`
 * @throws UsageError if there are fewer, or they cannot share a batch equally
 */
export function countDevices(
  { facts: { deviceKinds } }: { readonly facts: Pick<DeviceFacts, 'deviceKinds'> },
  wanted: number | 'all',
  batchSize: number,
): number {
  const there = deviceKinds.length;
  const devices = wanted === 'all' ? there : wanted;
  if (devices > there)
    throw new UsageError(
      'ESP_ENGINE',
      `engine.devices is ${String(devices)}, but XLA's plugin shows ${String(there)}: set at most that, or all; \`espalier doctor\` names them`,
    );
  if (batchSize % devices !== 0)
    throw new UsageError(
      'ESP_ENGINE',
      `train.batch_size is ${String(batchSize)}, which ${String(devices)} devices (engine.devices) cannot share equally: set a multiple of ${String(devices)}, or fewer devices`,
    );
  return devices;
}

/** What `precision: auto` means on the device: GPUs and TPUs multiply bfloat16 faster. */
export function autoPrecision({ facts: { platform } }: Client): 'f32' | 'bf16' {
  return platform === 'cpu' ? 'f32' : 'bf16';
}
