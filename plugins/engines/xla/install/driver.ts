import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { EspalierError } from '../../../../core/index.js';
import { type KindName, kinds } from './kinds.js';

/** Returns the version of NVIDIA's driver from `nvidia-smi`; undefined if there is none. */
export function driverVersion(): string | undefined {
  try {
    const args = ['--query-gpu=driver_version', '--format=csv,noheader'];
    const [line = ''] = execFileSync('nvidia-smi', args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).split('\n');
    return /^\d+/.test(line) ? line.trim() : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Returns the machine's kind of device.
 * @throws EspalierError if none is found, or its driver is too old for every kind
 */
export function kindHere(): KindName {
  const driver = driverVersion();
  if (driver !== undefined) {
    const fits = (['cuda13', 'cuda12'] as const).find(
      (kind) => Number.parseInt(driver) >= (kinds[kind].oldestDriver ?? 0),
    );
    if (fits !== undefined) return fits;
    throw tooOld(driver, 'cuda12');
  }
  if (existsSync('/dev/kfd')) return 'rocm';
  if (existsSync('/dev/accel0')) return 'tpu';
  throw new EspalierError(
    'ESP_ENGINE',
    'no GPU or TPU is found here: `nvidia-smi` does not run, and there is no /dev/kfd (AMD) and no /dev/accel0 (TPU); install the driver first',
  );
}

/** @throws EspalierError if NVIDIA's driver is missing or too old for the kind */
export function requireDriver(kind: KindName): void {
  const { oldestDriver } = kinds[kind];
  if (oldestDriver === undefined) return;
  const driver = driverVersion();
  if (driver === undefined) {
    throw new EspalierError(
      'ESP_ENGINE',
      `--device ${kind} needs NVIDIA's driver ${String(oldestDriver)} or newer, and \`nvidia-smi\` does not run here: install the driver first`,
    );
  }
  if (Number.parseInt(driver) < oldestDriver) throw tooOld(driver, kind);
}

function tooOld(driver: string, kind: KindName): EspalierError {
  const { oldestDriver = 0 } = kinds[kind];
  const isEnough = kind === 'cuda13' && Number.parseInt(driver) >= (kinds.cuda12.oldestDriver ?? 0);
  const otherwise = isEnough ? ', or use --device cuda12' : '';
  return new EspalierError(
    'ESP_ENGINE',
    `NVIDIA's driver ${driver} is too old: --device ${kind} needs ${String(oldestDriver)} or newer; update the driver${otherwise}`,
  );
}
