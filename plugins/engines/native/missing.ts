import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { EngineProbe } from '../../../core/index.js';
import { packageCommands } from '../../packages/contract.js';
import { addonFolder } from './binding.js';

/**
 * Says why the addon does not load and what to do about it.
 * @param error message of the error that loading it gave
 */
export function missingAddon(error: string): Pick<EngineProbe, 'why' | 'installable'> {
  const [reason = ''] = error.split('\n');
  // It is not compiled there.
  if (process.platform === 'win32') return { why: `${reason}; reinstall espalier with its optional packages` };
  const installable = spawnSync(process.env['CXX'] ?? 'c++', ['--version'], { stdio: 'ignore' }).status === 0;
  const log = path.join(addonFolder, 'build', 'build.log');
  if (existsSync(log)) {
    return {
      why: `${reason}; its build failed: ${log} says why; \`espalier engine install native\` builds it again`,
      installable,
    };
  }
  const remedy = installable
    ? `run \`espalier engine install native\`. If each install should build it: ${packageCommands().allowInstallScript}`
    : 'reinstall espalier with its optional packages, or install a C++17 compiler and run `espalier engine install native`';
  return { why: `${reason}: ${remedy}`, installable };
}
