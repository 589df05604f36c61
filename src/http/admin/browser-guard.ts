/**
 * Keeps web pages away from the admin API, which has no authentication and trusts whoever reaches its address.
 *
 * A page of another site can make the operator's browser send requests to 127.0.0.1. It gives itself away by `Origin` or
 * `Sec-Fetch-Site`, unless its own name was made to resolve to 127.0.0.1 (DNS rebinding); then `Host` carries a name
 * that is not ours. Source: the Fetch standard (Origin, Sec-Fetch-Site); RFC 9110, 7.2 (Host).
 */
import type { IncomingHttpHeaders } from 'node:http';

export interface BrowserGuardOptions {
  /** The address that the server was told to listen on. */
  readonly host: string;
  /** Further names it may be called by; `*` for any. */
  readonly allowedHosts: readonly string[];
}

/** Why a request must be refused; undefined when it may pass. */
export function findForeignRequest(
  headers: IncomingHttpHeaders,
  { host, allowedHosts }: BrowserGuardOptions,
): string | undefined {
  const called = parseAuthority(headers.host);
  // Without a Host header it is no browser.
  if (headers.host !== undefined && !isOwnName(called?.hostname, host, allowedHosts))
    return (
      `the Host header ${JSON.stringify(headers.host)} is not a name of this server: ` +
      `call it by its address, or add the name to admin.allowed.hosts`
    );
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    return `a web page of another site (Sec-Fetch-Site: ${String(site)}) may not call the admin API`;
  const { origin } = headers;
  if (origin !== undefined && (called === undefined || parseOrigin(origin)?.host !== called.host))
    return `a web page of ${JSON.stringify(origin)} may not call the admin API`;
  return undefined;
}

const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/;

/** Rebinding works by a name, so an address in the Host header is always honest. */
function isOwnName(name: string | undefined, host: string, allowedHosts: readonly string[]): boolean {
  if (name === undefined) return false;
  if (name === 'localhost' || name === host.toLowerCase() || IPV4.test(name) || name.startsWith('['))
    return true;
  return allowedHosts.some((allowed) => allowed === '*' || allowed.toLowerCase() === name);
}

function parseAuthority(authority: string | undefined): URL | undefined {
  const text = `http://${authority ?? ''}`;
  if (authority === undefined || /[/?#@\\]/.test(authority) || !URL.canParse(text)) return undefined;
  return new URL(text);
}

function parseOrigin(origin: string): URL | undefined {
  return URL.canParse(origin) ? new URL(origin) : undefined;
}
