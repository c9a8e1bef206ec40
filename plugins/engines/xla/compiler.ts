import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs';
import path from 'node:path';
import { makeFolder, writeWholeSync } from '../../files/contract.js';
import { cacheFolder } from '../peak/cache-folder.js';
import { flagsFor } from './flags.js';
import type { Client, Executable } from './pjrt/client.js';
import type { Flags } from './pjrt/compiling.js';
import { PjrtError } from './pjrt/plugin.js';
import { CompiledProgram, explained, type Subject } from './programs.js';
import type { Graph } from './stablehlo/graph.js';
import type { Value } from './stablehlo/program.js';

/** Size limit of the cache folder; beyond it, the least recently used programs are deleted. */
const MOST_BYTES = 2 ** 30;

/** Length of the SHA-256 hash at the start of each file. */
const HASH_BYTES = 32;

/** Compiles programs and keeps them in the cache folder, so that a second start compiles nothing. */
export class Compiler {
  /** Called for each program that is compiled rather than loaded from the cache. */
  onCompiled: (name: string, milliseconds: number) => void = () => undefined;
  readonly #flags: Flags;
  readonly #folder = path.join(cacheFolder(), 'xla-programs');

  constructor(private readonly client: Client) {
    this.#flags = flagsFor(client.facts.platform);
    removeOld(this.#folder);
  }

  /** @throws EspalierError with XLA's message */
  compile(
    subject: Subject,
    graph: Graph,
    outputs: readonly Value[],
    replaced: ReadonlyMap<number, number>,
  ): CompiledProgram {
    const code = graph.text(outputs, replaced);
    const key = `${this.client.identity}\n${JSON.stringify(this.#flags)}\n${code}`;
    const file = path.join(this.#folder, hashOf(key).toString('hex'));
    const executable = this.#load(file, graph.devices) ?? this.#compiled(subject.name, code, file, graph.devices);
    return new CompiledProgram(this.client, subject, executable, outputs.length);
  }

  /** @returns undefined if the program is not in the cache, or its file is damaged */
  #load(file: string, devices: number): Executable | undefined {
    try {
      const content = readFileSync(file);
      const program = content.subarray(HASH_BYTES);
      // A plugin may crash on bytes that it did not write.
      if (!hashOf(program).equals(content.subarray(0, HASH_BYTES))) return undefined;
      utimesSync(file, new Date(), new Date());
      return this.client.load(program, devices);
    } catch {
      return undefined;
    }
  }

  #compiled(name: string, code: string, file: string, devices: number): Executable {
    const began = performance.now();
    const executable = explained(`XLA does not compile ${name}`, () => this.client.compile(code, this.#flags, devices));
    this.onCompiled(name, performance.now() - began);
    try {
      const program = executable.serialize();
      makeFolder(this.#folder);
      writeWholeSync(file, Buffer.concat([hashOf(program), program]));
    } catch (thrown) {
      // The folder cannot be written, or the plugin cannot serialize: the next start compiles again.
      if (!(thrown instanceof PjrtError) && !isSystemError(thrown)) throw thrown;
    }
    return executable;
  }
}

function hashOf(content: string | Buffer): Buffer {
  return createHash('sha256').update(content).digest();
}

function isSystemError(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown;
}

function removeOld(folder: string): void {
  try {
    const files = readdirSync(folder).map((name) => path.join(folder, name));
    const byAge = files.map((file) => ({ file, stats: statSync(file) }));
    byAge.sort((a, b) => b.stats.mtimeMs - a.stats.mtimeMs);
    let bytes = 0;
    for (const { file, stats } of byAge) if ((bytes += stats.size) > MOST_BYTES) rmSync(file);
  } catch {
    // There is no such folder yet, or another process deletes the same files.
  }
}
