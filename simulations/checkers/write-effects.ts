/** What a write does to a register, by S3's rules (user guide, "Conditional writes"), written anew so that they are not the engine's. */
import type { WriteConditions } from '../../src/engine/object-service.js';
import type { Content } from '../content.js';
import { ABSENT, type Effect, type RegisterValue } from './register.js';

/** Of a write of `content`, or of a delete. */
export function effectOf(content: Content | undefined, conditions: WriteConditions | undefined): Effect {
  const written = content?.etag ?? ABSENT;
  return (value) => {
    // Deleting what is not there succeeds, whatever it should have matched.
    if (content === undefined && value === ABSENT) return { value, result: 'ok' };
    const refusal = conditions === undefined ? undefined : refusalOf(value, conditions);
    return refusal === undefined ? { value: written, result: 'ok' } : { value, result: refusal };
  };
}

function refusalOf(value: RegisterValue, { ifMatch, ifNoneMatch }: WriteConditions): string | undefined {
  if (ifMatch !== undefined) {
    if (value === ABSENT) return 'NO_SUCH_KEY';
    if (!ifMatch.some((etag) => etag === '*' || `"${etag}"` === value)) return 'PRECONDITION_FAILED';
  }
  if (ifNoneMatch !== undefined && value !== ABSENT)
    if (ifNoneMatch.some((etag) => etag === '*' || `"${etag}"` === value)) return 'PRECONDITION_FAILED';
  return undefined;
}

/** For the trace: empty, or such as `12 bytes "…" if-match …`. */
export function describeWrite(content: Content | undefined, conditions: WriteConditions | undefined): string {
  const { ifMatch, ifNoneMatch } = conditions ?? {};
  return [
    ...(content === undefined ? [] : [`${content.size} bytes ${content.etag}`]),
    ...(ifMatch === undefined ? [] : [`if-match ${ifMatch.join(',')}`]),
    ...(ifNoneMatch === undefined ? [] : [`if-none-match ${ifNoneMatch.join(',')}`]),
  ].join(' ');
}
