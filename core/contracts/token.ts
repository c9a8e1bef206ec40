import type { InjectionToken } from 'tsyringe';

/** A typed name under which a plugin binds an implementation and others inject it. */
export type Token<T> = InjectionToken<T> & symbol;

/** Creates the token of a contract; errors and listings print `name`. */
export function token<T>(name: string): Token<T> {
  return Symbol(name);
}

/** Creates the token of a contract that several plugins may add to (`Bindings.add`); it resolves to all, in order. */
export function listToken<T>(name: string): Token<readonly T[]> {
  return Symbol(name);
}

/** Returns the name that a token was created with. */
export function tokenName(of: symbol): string {
  return of.description ?? 'unnamed contract';
}
