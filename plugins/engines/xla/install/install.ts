import { existsSync } from 'node:fs';
import path from 'node:path';
import { EspalierError, type InstallRequest, UsageError } from '../../../../core/index.js';
import { pip, requireTools } from '../../install/command.js';
import { installInto } from '../../install/folder.js';
import { fetchWheel } from '../../install/wheel.js';
import { kindHere, requireDriver } from './driver.js';
import { installFolder, type Kind, kindNamed, kinds, type KindName } from './kinds.js';

/**
 * Installs XLA's plugin from PyPI, for the machine's device or a named one. A working installation is kept.
 * @param known what to install for each kind
 * @throws EspalierError naming what is missing: pip, the driver, disk space, or the package index
 */
export async function installXla(
  { gpu, device, force, log }: InstallRequest,
  known: Readonly<Record<KindName, Kind>> = kinds,
): Promise<void> {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new EspalierError(
      'ESP_ENGINE',
      'this install is for Linux on x64; elsewhere set PJRT_PLUGIN_LIBRARY_PATH to a plugin',
    );
  if (gpu)
    throw new UsageError(
      'ESP_USAGE',
      'engine xla has no --gpu: --device names the kind of device, which is found without it',
    );
  const name = device === undefined ? kindHere() : kindNamed(device);
  const kind = known[name];
  const folder = installFolder(name);
  if (!force && existsSync(path.join(folder, kind.library))) {
    log(`already installed: ${folder}; --force installs it again`);
    return;
  }
  requireDriver(name);
  await requireTools([pip]);
  await installInto(folder, kind.bytes, async (work) => {
    for (const [index, wheel] of kind.wheels.entries()) {
      log(`fetching ${wheel.spec} with pip (${String(index + 1)} of ${String(kind.wheels.length)})`);
      await fetchWheel(wheel, work);
    }
    if (!existsSync(path.join(work, kind.library)))
      throw new EspalierError('ESP_ENGINE', `the wheels hold no ${kind.library}`);
  });
  log(`installed ${folder}`);
}
