import type { InjectionToken } from 'tsyringe';

/** A typed name under which a plugin binds an implementation and others ask for it. */
export type Token<T> = InjectionToken<T> & symbol;

/** Makes the token of a contract; `name` is what errors and listings print. */
export function token<T>(name: string): Token<T> {
  return Symbol(name);
}

/** Makes the token of a contract that any number of plugins add to (`Bindings.add`): it resolves to all of them, in the plugins' order. */
export function listToken<T>(name: string): Token<readonly T[]> {
  return Symbol(name);
}

/** The name a token was made with. */
export function tokenName(of: symbol): string {
  return of.description ?? 'unnamed contract';
}
