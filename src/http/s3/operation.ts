/** What the table of operations says of each, and how its rows are written. */
import { permissionOf, type OperationPermission } from '../auth/permissions.js';
import type { Exchange } from './exchange.js';

export type Level = 'service' | 'bucket' | 'object';

export interface Operation {
  /** S3's name. */
  readonly name: string;
  readonly method: string;
  readonly level: Level;
  /** The query parameter that tells it from others with the same method; '' for none. */
  readonly subresource: string;
  /** Told from another by the header `x-amz-copy-source`. */
  readonly copy: boolean;
  readonly support: 'supported' | 'partly' | 'refused';
  /** What is missing, or why. */
  readonly note: string;
  /** What who asks for it needs. */
  readonly permission: OperationPermission;
  /** Absent when it is refused as not implemented. */
  readonly run: ((exchange: Exchange) => void) | undefined;
}

type Run = (exchange: Exchange) => void;

/** `PUT object?uploadId` to its parts. */
export function done(name: string, route: string, run: Run, note = ''): Operation {
  return operation(name, route, note === '' ? 'supported' : 'partly', note, run);
}

export function refused(name: string, route: string, note: string): Operation {
  return operation(name, route, 'refused', note, undefined);
}

/** Refused, with an error of its own rather than NotImplemented: what S3 answers where the bucket does not allow it. */
export function refusedAs(name: string, route: string, run: Run, note: string): Operation {
  return operation(name, route, 'refused', note, run);
}

function operation(
  name: string,
  route: string,
  support: Operation['support'],
  note: string,
  run: Run | undefined,
): Operation {
  const [, method = '', level = '', subresource = '', copy = ''] =
    /^(\w+) (\w+)(?:\?([\w-]+))?( from a copy source)?$/.exec(route) ?? [];
  const permission = permissionOf(name);
  return {
    name,
    method,
    level: level as Level,
    subresource,
    copy: copy !== '',
    support,
    note,
    permission,
    run,
  };
}

/** Get, put and delete of one refused configuration. */
export function configuration(subresource: string, note: string, names: Record<string, string>): Operation[] {
  return Object.entries(names).map(([method, name]) =>
    refused(name, `${method} bucket?${subresource}`, note),
  );
}
