/** What the one who starts the server is told when an address cannot be listened on: which setting, its value, and what would be right. */
import { HeadraceError } from '../core/errors.js';

/** The settings that an endpoint's address comes from, by their keys. */
export interface Address {
  readonly hostKey: string;
  readonly host: string;
  readonly portKey: string;
  readonly port: number;
}

/** `error` as `IO_FAILED` when it comes from listening on that address; any other error as it is. */
export function listenError(error: unknown, address: Address): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error;
  const message = messageOf(error.code, address);
  return message === undefined ? error : new HeadraceError('IO_FAILED', message, { cause: error });
}

function messageOf(code: unknown, { hostKey, host, portKey, port }: Address): string | undefined {
  switch (code) {
    case 'EADDRINUSE':
      return `${portKey} = ${port} is taken on ${host}: stop the process that listens there, or choose another port (0 takes any free one)`;
    case 'EACCES':
    case 'EPERM':
      return `${portKey} = ${port} is not allowed to this user: choose a port from 1024 on`;
    case 'EADDRNOTAVAIL':
      return `${hostKey} = ${host} is no address of this machine: choose one that is, or 0.0.0.0 for all`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `${hostKey} = ${host} is a name that cannot be resolved (${code}): give an address of this machine, or 0.0.0.0 for all`;
    default:
      return undefined;
  }
}
