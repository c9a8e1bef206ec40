/** A field of an event's payload: a type for the compiler and a description for readers. */
export interface Field<T = unknown, Replaceable extends boolean = boolean> {
  /** Meaning, shape and unit. */
  readonly what: string;
  readonly replaceable: Replaceable;
  /** Only for the compiler; never set. */
  readonly type?: () => T;
}

/** An event, declared once: listener types, the reference page and `espalier events` are derived from it. */
export interface EventDeclaration {
  /** Completes the sentence "Fires …". */
  readonly when: string;
  readonly payload: Readonly<Record<string, Field>>;
}

/** Events by name. A plugin prefixes the names of its own events: `team:spike`. */
export type EventDeclarations = Readonly<Record<string, EventDeclaration>>;

/**
 * Declares events. Pass the result to `@Plugin({ events })`, and declare its types:
 *
 * ```ts
 * const events = defineEvents({
 *   'team:spike': {
 *     when: 'when a loss is far above its average',
 *     payload: { iteration: field<number>('iterations done'), ratio: field<number>('loss over its average') },
 *   },
 * });
 * declare module 'espalier' {
 *   interface Events extends PayloadsOf<typeof events> {}
 * }
 * ```
 */
export function defineEvents<Declared extends EventDeclarations>(events: Declared): Declared {
  return events;
}

/** Declares a field that listeners read. It may be left out if its type includes undefined. */
export function field<T>(what: string): Field<T, false> {
  return { what, replaceable: false };
}

/** Declares a field that listeners may assign; the publisher of the event reads it afterwards. */
export function replaceable<T>(what: string): Field<T, true> {
  return { what, replaceable: true };
}

/** The payload of each declared event, by name. */
export type PayloadsOf<Declared extends EventDeclarations> = {
  [Name in keyof Declared]: PayloadOf<Declared[Name]['payload']>;
};

type PayloadOf<Fields> = Flat<
  { readonly [Name in FieldNames<Fields, false, false>]: TypeOf<Fields[Name]> } & {
    readonly [Name in FieldNames<Fields, false, true>]?: TypeOf<Fields[Name]>;
  } & { [Name in FieldNames<Fields, true, false>]: TypeOf<Fields[Name]> } & {
    [Name in FieldNames<Fields, true, true>]?: TypeOf<Fields[Name]>;
  }
>;

type FieldNames<Fields, Replaceable extends boolean, Optional extends boolean> = {
  [Name in keyof Fields]: Fields[Name] extends Field<unknown, Replaceable>
    ? (undefined extends TypeOf<Fields[Name]> ? true : false) extends Optional
      ? Name
      : never
    : never;
}[keyof Fields];
type TypeOf<F> = F extends Field<infer T> ? T : never;
type Flat<T> = { [Name in keyof T]: T[Name] };
