import type { Compiler } from './compiler.js';
import type { CompiledProgram, Subject } from './programs.js';
import type { Graph } from './stablehlo/graph.js';
import { at, type Value } from './stablehlo/program.js';

/** Results that a call adds to a program; a kernel returns a list or one result. */
export interface Addition {
  readonly values: readonly Value[];
  readonly isList: boolean;
}

/** A program under construction. The same calls give the same draft again, so nothing is lowered or compiled twice. */
export class Draft {
  readonly #next = new Map<string, Draft | undefined>();
  readonly #programs = new Map<string, CompiledProgram>();

  constructor(
    /** Undefined if it has no calls yet. */
    readonly subject: Subject | undefined,
    readonly graph: Graph,
    /** Results of all calls. */
    readonly made: readonly Value[],
    /** Whether the last call returns a list. */
    readonly isList = true,
  ) {}

  /** Adds a call. @param key identifies the call and its inputs @returns undefined if the call cannot be compiled */
  with(name: string, key: string, write: (graph: Graph) => Addition | undefined): Draft | undefined {
    if (!this.#next.has(key)) {
      const graph = this.graph.copy();
      const added = write(graph);
      const draft = added && new Draft(this.subject ?? { name }, graph, [...this.made, ...added.values], added.isList);
      this.#next.set(key, draft);
    }
    return this.#next.get(key);
  }

  /** @param wanted indices of results @param replaced by argument index, the index of the output that reuses its memory */
  program(compiler: Compiler, wanted: readonly number[], replaced: ReadonlyMap<number, number>): CompiledProgram {
    const key = wanted.join();
    const known = this.#programs.get(key);
    if (known !== undefined) return known;
    const outputs = wanted.map((index) => at(this.made, index));
    const program = compiler.compile(this.subject ?? { name: 'nothing' }, this.graph, outputs, replaced);
    this.#programs.set(key, program);
    return program;
  }

  destroy(): void {
    for (const program of this.#programs.values()) program.destroy();
    for (const draft of this.#next.values()) draft?.destroy();
  }
}
