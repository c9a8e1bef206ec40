import { BatchSource, Dataset, TokenizerFactory } from '../contracts/data.js';
import { Engine } from '../contracts/engine.js';
import { Model } from '../contracts/model.js';
import { LearningRate, Optimizer } from '../contracts/optimizer.js';
import { tokenName, type Token } from '../contracts/token.js';
import { UsageError } from '../errors.js';
import type { PluginInstance, Slot } from './plugin.js';
import type { FoundPlugin } from '../families/load.js';

/** The contract of a slot, and the methods of it that the run calls. */
interface SlotContract {
  readonly contract: symbol;
  readonly methods: readonly string[];
}

export const slotContracts: Readonly<Record<Slot, SlotContract>> = {
  engine: of(Engine),
  tokenizer: of(TokenizerFactory, 'forText', 'fromState'),
  data: of(Dataset, 'split'),
  batches: of(BatchSource, 'next', 'evaluation', 'progress'),
  model: of(
    Model,
    ...(['build', 'parameters', 'logits', 'loss', 'generate'] as const),
    ...(['parameterCounts', 'trainingFlopsPerToken', 'activationBytes'] as const),
  ),
  optimizer: of(Optimizer, 'step', 'exportState', 'importState', 'carry'),
  lr: of(LearningRate, 'at'),
};

/** Checks what a plugin bound to a slot's contract. @throws UsageError if a method is missing */
export function checkImplements(made: unknown, contract: symbol, plugin: FoundPlugin): void {
  const methods = Object.values(slotContracts).find((each) => each.contract === contract)?.methods ?? [];
  const lacking = methods.filter((name) => typeof made !== 'object' || made === null || !isMethod(made, name));
  if (lacking.length === 0) return;
  const name = tokenName(contract);
  throw new UsageError(
    'ESP_CONTRACT_METHOD',
    `${shown(plugin)} binds ${name} without ${lacking.map((each) => `${each}()`).join(', ')}: implement them as the contract ${name} says (core/contracts, docs/plugins/writing-plugins.md)`,
  );
}

/** Returns the error for a plugin that does not bind the contract of the slot that it fills. */
export function unbound(plugin: FoundPlugin, slot: Slot): UsageError {
  const name = tokenName(slotContracts[slot].contract);
  return new UsageError(
    'ESP_CONTRACT_UNBOUND',
    `${shown(plugin)} fills the slot ${slot} but does not bind ${name}: give its class a \`static register(bindings) { bindings.bind(${name}, ${plugin.class.name}); }\` (docs/plugins/writing-plugins.md)`,
  );
}

/** Methods that save something and the ones that restore it. */
const pairs = [
  ['state', 'restore'],
  ['stateTensors', 'restoreTensors'],
] as const;

/** @throws UsageError if a name that the run calls is not a method, or if only one method of a pair exists */
export function checkMethods(made: PluginInstance, plugin: FoundPlugin): void {
  const field = [...pairs.flat(), 'dispose'].find((name) => isField(made, name));
  if (field !== undefined) {
    throw new UsageError(
      'ESP_PLUGIN_FIELD',
      `${shown(plugin)} has a field named ${field}, but the run calls ${field}() as a method: rename the field (docs/plugins/writing-plugins.md)`,
    );
  }
  for (const [take, give] of pairs) {
    if ((made[take] === undefined) === (made[give] === undefined)) continue;
    const [has, lacks] = made[take] === undefined ? [give, take] : [take, give];
    throw new UsageError(
      'ESP_PLUGIN_STATE',
      `${shown(plugin)} has ${has}() and no ${lacks}(): what ${take}() returns is saved in every checkpoint, and ${give}() gets it when a run resumes; add ${lacks}(), or rename ${has}() if it is for something else (docs/plugins/writing-plugins.md)`,
    );
  }
}

function isField(made: object, name: string): boolean {
  const value: unknown = Reflect.get(made, name);
  return value !== undefined && typeof value !== 'function';
}

function of<T>(contract: Token<T>, ...methods: readonly (keyof T & string)[]): SlotContract {
  return { contract, methods };
}

function shown({ options, source }: FoundPlugin): string {
  return `plugin ${options.name} (${source})`;
}

function isMethod(made: object, name: string): boolean {
  return typeof Reflect.get(made, name) === 'function';
}
