import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
} from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { checkpointNames } from '../stored/find.js';
import { isCheckpointEntry } from '../stored/remove.js';
import { retriedSync, writeWholeSync } from '../../files/contract.js';

const CONFIG = 'config.yaml';
const HEADER = /^# Written by espalier at each start of this run \(sha256 of the rest: ([0-9a-f]{16})\)\n/;
/** Keys that every run's `config.yaml` has, to recognise those of earlier versions, which have no header. */
const CORE_KEYS = ['seed', 'init', 'run', 'train', 'model', 'data'];
const EVENT = /^\{"time":"[^"]{1,40}","event":"/;
const HEAD_BYTES = 200;
/** Lock files, including those of earlier versions. */
const LOCKS = /^lock(\.takeover|\.\d+)?$/;

/**
 * Returns the name of an entry that a run in this folder could overwrite; undefined if the folder is a run folder,
 * empty or missing. Hidden and empty files and folders do not count, nor do files that this process's output is
 * redirected to.
 */
export async function foreignEntry(folder: string): Promise<string | undefined> {
  const names = namesIn(folder).filter((name) => !name.startsWith('.') && !LOCKS.test(name));
  const foreign = names.find((name) => !isHarmless(path.join(folder, name)));
  return foreign === undefined || (await isRun(folder)) ? undefined : foreign;
}

/**
 * Writes a run's `config.yaml`. An existing one that was edited, or that no run wrote, is first renamed.
 * @returns its new name, if it was renamed
 */
export function writeConfigFile(folder: string, yaml: string): string | undefined {
  const file = path.join(folder, CONFIG);
  const text = textOf(file);
  let kept: string | undefined;
  if (text !== undefined && !isOwnConfig(text) && !isEarlierConfig(text)) {
    const taken = namesIn(folder);
    for (let n = 1; kept === undefined || taken.includes(kept); n++) kept = `config.kept-${String(n)}.yaml`;
    const aside = path.join(folder, kept);
    retriedSync(() => {
      renameSync(file, aside);
    });
  }
  writeWholeSync(
    file,
    `# Written by espalier at each start of this run (sha256 of the rest: ${hashOf(yaml)})\n${yaml}`,
  );
  return kept;
}

async function isRun(folder: string): Promise<boolean> {
  const config = textOf(path.join(folder, CONFIG)) ?? '';
  if (isOwnConfig(config)) return true;
  if (EVENT.test(headOf(path.join(folder, 'events.jsonl')))) return true;
  return isEarlierConfig(config) && (await checkpointNames(path.join(folder, 'checkpoints'))).length > 0;
}

function isOwnConfig(text: string): boolean {
  const plain = text.replaceAll('\r\n', '\n');
  const [header, hash] = HEADER.exec(plain) ?? [];
  return header !== undefined && hash === hashOf(plain.slice(header.length));
}

function isEarlierConfig(text: string): boolean {
  if (text.startsWith('#')) return false;
  try {
    const config: unknown = parse(text);
    return typeof config === 'object' && config !== null && CORE_KEYS.every((key) => Object.hasOwn(config, key));
  } catch {
    return false;
  }
}

function isHarmless(entry: string): boolean {
  const found = statSync(entry, { throwIfNoEntry: false });
  if (found === undefined) return true;
  if (found.isDirectory()) {
    const inside = namesIn(entry);
    if (path.basename(entry) === 'checkpoints') return inside.every((name) => isCheckpointEntry(name));
    return inside.length === 0;
  }
  return found.size === 0 || [1, 2].some((output) => isOutput(output, found));
}

function isOutput(descriptor: number, { ino, dev }: { ino: number; dev: number }): boolean {
  try {
    const output = fstatSync(descriptor);
    return output.ino === ino && output.dev === dev;
  } catch {
    return false;
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function headOf(file: string): string {
  if (!existsSync(file)) return '';
  const descriptor = openSync(file, 'r');
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    return head.subarray(0, readSync(descriptor, head, 0, HEAD_BYTES, 0)).toString('utf8');
  } finally {
    closeSync(descriptor);
  }
}

function namesIn(folder: string): string[] {
  return existsSync(folder) && statSync(folder).isDirectory() ? readdirSync(folder) : [];
}
