/**
 * The running process's own copy of a module, for plugins that jiti loads from outside:
 * jiti would evaluate a second copy, whose decorators and tokens the core does not know.
 */
function shared(name: string): unknown {
  const modules: unknown = Reflect.get(globalThis, Symbol.for('espalier.shared-modules'));
  if (!(modules instanceof Map)) throw new Error(`${name} is only there inside the espalier command`);
  return modules.get(name);
}

export = shared;
