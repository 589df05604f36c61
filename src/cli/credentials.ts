/**
 * How a command proves to the admin API who runs it: with an access key, or with the token that the server on this machine
 * keeps in its data directory for whoever can read it.
 */
import { CliFailure, EXIT_USAGE, type CliContext } from './context.js';

export interface CredentialOptions {
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
}

const ACCESS_KEY_VARIABLE = 'HEADRACE_ACCESS_KEY_ID';
const SECRET_KEY_VARIABLE = 'HEADRACE_SECRET_ACCESS_KEY';
const TOKEN_FILE = 'admin.token';
const TOKEN = /^[\da-f]{64}\n?$/;

/**
 * The value of the Authorization header, from the options, else the environment, else the token; undefined when there is
 * neither.
 */
export function authorizationOf(
  context: Pick<CliContext, 'env' | 'readText'>,
  options: CredentialOptions,
  endpoint: string,
  dataDirectory: () => string,
): string | undefined {
  const id = options.accessKeyId ?? context.env[ACCESS_KEY_VARIABLE] ?? '';
  const secret = options.secretAccessKey ?? context.env[SECRET_KEY_VARIABLE] ?? '';
  if (id !== '' && secret !== '') return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
  if (id !== '' || secret !== '')
    throw new CliFailure(
      'INVALID_ARGUMENT',
      id === ''
        ? `there is a secret key and no access key: set ${ACCESS_KEY_VARIABLE} or --access-key-id too`
        : `there is the access key ${id} and no secret: set ${SECRET_KEY_VARIABLE} too`,
      EXIT_USAGE,
    );
  // The token opens this machine's server only, and is nobody else's business.
  if (!isLoopback(new URL(endpoint).hostname)) return undefined;
  const token = readToken(context, dataDirectory());
  return token === undefined ? undefined : `Bearer ${token}`;
}

/** The same `fetch` with the header added. */
export function authorized(fetch: typeof globalThis.fetch, authorization: string | undefined): typeof fetch {
  if (authorization === undefined) return fetch;
  return (input, init = {}) => fetch(input, { ...init, headers: { ...headersOf(init), authorization } });
}

function headersOf({ headers }: RequestInit): Record<string, string> {
  return Object.fromEntries(new Headers(headers));
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/** Undefined when there is none, or when it is not for whoever runs the command: the server says then what it needs. */
function readToken({ readText }: Pick<CliContext, 'readText'>, directory: string): string | undefined {
  try {
    const text = readText(`${directory}/${TOKEN_FILE}`);
    return text !== undefined && TOKEN.test(text) ? text.trim() : undefined;
  } catch {
    return undefined;
  }
}
