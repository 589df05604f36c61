/**
 * Assertions for programmer's mistakes. They stay on in production.
 *
 * Bytes from a disk, the network or a user are never asserted on: they become `HeadraceError`s.
 */

/** Thrown when the program itself is wrong. Nothing catches it: the process stops. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Stops the program with `message` unless `condition` holds. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Marks a branch that the type system proves impossible, for exhaustive switches. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`);
}
