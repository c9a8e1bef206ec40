import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { peerScript } from './tiktoken.js';

export interface Measure {
  readonly what: string;
  readonly megabytesPerSecond: number;
  /** Peak resident memory of the process, if the system reports it. */
  readonly memoryMegabytes: number | null;
}

export interface PrepareRequest {
  readonly megabytes: number;
  readonly workers: number;
  readonly rounds: number;
  /** A Python that may have tiktoken. */
  readonly python: string | undefined;
  readonly say: (line: string) => void;
}

const resolve = createRequire(import.meta.url).resolve;
const command = fileURLToPath(new URL('../../plugins/command-line/shell/main.js', import.meta.url));

/** Measures `espalier prepare` and tiktoken's encoding, on many copies of Moby Dick. */
export async function measurePrepare(request: PrepareRequest): Promise<Measure[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'espalier-bench-'));
  try {
    const source = fileURLToPath(new URL('../../../presets/texts/moby-dick.txt', import.meta.url));
    const text = path.join(folder, 'text.txt');
    await repeat(source, text, request.megabytes * 1e6);
    const megabytes = statSync(text).size / 1e6;
    const rounds: Measure[][] = [];
    // In turns, so that other load on the machine affects all alike.
    for (let round = 0; round < request.rounds; round++) {
      request.say(`prepare: round ${String(round + 1)} of ${String(request.rounds)}`);
      const measures: Measure[] = [];
      for (const tokenizer of ['gpt2', 'char', 'bytes']) {
        measures.push(await ours(folder, { tokenizer, text, megabytes, workers: request.workers }));
      }
      const theirs =
        request.python === undefined ? undefined : await tiktoken(folder, request.python, text, request.workers);
      rounds.push(theirs === undefined ? measures : [...measures, theirs]);
    }
    return median(rounds);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Times the whole command. */
async function ours(
  folder: string,
  { tokenizer, text, megabytes, workers }: { tokenizer: string; text: string; megabytes: number; workers: number },
): Promise<Measure> {
  const out = path.join(folder, 'out');
  const started = performance.now();
  const args = ['prepare', text, '--tokenizer', tokenizer, '--workers', String(workers), '--out', out, '--quiet'];
  const { memoryMegabytes } = await run(process.execPath, [command, ...args]);
  const seconds = (performance.now() - started) / 1000;
  rmSync(out, { recursive: true });
  const what = `espalier prepare, ${tokenizer}, ${String(workers)} workers`;
  return { what, megabytesPerSecond: megabytes / seconds, memoryMegabytes };
}

/** Times the encoding only, in the same number of threads, without startup, reading and writing. */
async function tiktoken(folder: string, python: string, text: string, workers: number): Promise<Measure | undefined> {
  const script = path.join(folder, 'peer.py');
  writeFileSync(script, peerScript);
  try {
    const args = [script, text, resolve('gpt-tokenizer/data/r50k_base.tiktoken'), String(workers)];
    const { out, memoryMegabytes } = await run(python, args);
    return { what: `tiktoken, gpt2, ${String(workers)} threads`, megabytesPerSecond: Number(out), memoryMegabytes };
  } catch (thrown) {
    console.error(String(thrown));
    return undefined;
  }
}

function run(program: string, args: readonly string[]): Promise<{ out: string; memoryMegabytes: number | null }> {
  return new Promise((settle, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    let most: number | null = null;
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    const watch = setInterval(() => (most = memoryOf(child.pid) ?? most), 50);
    child.on('error', reject);
    child.on('close', (code) => {
      clearInterval(watch);
      if (code === 0) settle({ out, memoryMegabytes: most });
      else reject(new Error(`${program} ${args.join(' ')} ended with ${String(code)}`));
    });
  });
}

function memoryOf(pid: number | undefined): number | null {
  try {
    const most = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1];
    return most === undefined ? null : Math.round(Number(most) / 1000);
  } catch {
    return null;
  }
}

async function repeat(source: string, into: string, bytes: number): Promise<void> {
  const text = readFileSync(source);
  const file = createWriteStream(into);
  for (let written = 0; written < bytes; written += text.length) {
    if (!file.write(text)) await once(file, 'drain');
  }
  file.end();
  await finished(file);
}

function median(rounds: readonly (readonly Measure[])[]): Measure[] {
  const names = [...new Set(rounds.flat().map(({ what }) => what))];
  return names.flatMap((what) => {
    const of = rounds.flat().filter((measure) => measure.what === what);
    const sorted = of.sort((a, b) => a.megabytesPerSecond - b.megabytesPerSecond);
    return sorted[Math.floor(sorted.length / 2)] ?? [];
  });
}
