import { spawn } from 'node:child_process';
import path from 'node:path';
import { EspalierError, UsageError, type EngineProbe, type InstallRequest } from '../../../core/index.js';
import { addonFolder } from './binding.js';

/**
 * Builds the addon if it is missing or does not load, with the script that `npm install` runs.
 * @throws EspalierError naming what is missing, or the file with the compiler's output
 */
export async function buildHere({ gpu, device, force, log }: InstallRequest, before: EngineProbe): Promise<void> {
  if (gpu || device !== undefined)
    throw new UsageError('ESP_USAGE', 'engine native computes on CPUs: there is no --gpu or --device of it');
  if (before.works && !force) {
    log(`already built: ${before.detail}; --force builds it again`);
    return;
  }
  log('building the addon with the C++ compiler; this takes a minute');
  const printed = await run([path.join(addonFolder, 'install.mjs'), '--force']);
  const failure = /the native engine is not there[^:]*: (.*)/s.exec(printed)?.[1];
  if (failure !== undefined) throw new EspalierError('ESP_ENGINE', `engine native: ${failure.trim()}`);
}

/** Runs a script with this Node. @returns its standard error */
function run(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'pipe'] });
    let printed = '';
    child.stderr.setEncoding('utf8').on('data', (piece: string) => (printed += piece));
    child.on('error', reject);
    child.on('close', () => {
      resolve(printed);
    });
  });
}
