/** What every request of one S3 endpoint shares. */
import type { Logger } from '../../core/logger.js';
import type { Clock } from '../../core/ports.js';
import type { ObjectService } from '../../engine/object-service.js';
import type { AccessControl } from '../auth/access-control.js';
import type { Authenticator } from '../auth/authenticator.js';
import type { BodyBudget } from './body-collector.js';
import type { S3ServerOptions } from './options.js';
import type { RequestIds } from './request-ids.js';

/** Told of every answer, for metrics: `operation` is S3's name for it, or 'Unknown'. */
export type AnswerObserver = (operation: string, status: number, durationMs: number) => void;

export interface S3Context {
  readonly objects: ObjectService;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly options: S3ServerOptions;
  readonly authenticator: Authenticator;
  readonly access: AccessControl;
  readonly requestIds: RequestIds;
  readonly bodies: BodyBudget;
  readonly observer: AnswerObserver | undefined;
  /** Set once: connections end with the answer they are giving. */
  closing: boolean;
}
