/** What every route of the admin API gets, and how a query string is described. */
import type { Logger } from '../../core/logger.js';
import type { AdminService } from '../../engine/admin-service.js';
import type { Readiness } from '../../engine/readiness.js';
import type { Settings } from '../../settings/settings.js';
import type { AdminPrincipals } from './admin-access.js';
import type { ServerStop } from './stop-routes.js';
import type { LineStreams } from './line-stream.js';

export interface AdminServerOptions {
  readonly admin: AdminService;
  readonly settings: Pick<Settings, 'adminHost' | 'adminAllowedHosts' | 'describe'>;
  readonly logger: Logger;
  /** Why requests cannot be served yet or any more; undefined when they can. For `/readyz`. */
  readonly notReadyReason?: () => string | undefined;
  /** What `/readyz` looks at while the server is neither starting nor stopping. */
  readonly readiness?: () => Promise<Readiness>;
  /** Who may use it; without one everybody may. */
  readonly access?: AdminPrincipals;
  /** A new id for each request. */
  readonly requestId?: () => string;
  /** For the description of the API. */
  readonly version?: string;
  /** Stops the server; absent where there is none to stop. */
  readonly stop?: ServerStop;
  /** A Prometheus registry, served at `/metrics`. */
  readonly metrics?: { readonly contentType: string; metrics(): Promise<string> };
}

/** What the routes share. */
export interface AdminRouteContext extends AdminServerOptions {
  readonly streams: LineStreams;
}

/** A schema for a query string: nothing but `properties`. */
export function query(
  properties: Readonly<Record<string, object>>,
  required: readonly string[] = [],
): object {
  return { type: 'object', additionalProperties: false, required, properties };
}
