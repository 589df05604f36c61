/**
 * The long rest of a body behind an answer that came before it was read: a bounded part is read and dropped, so that the
 * client, which is still sending, gets to see the answer before the connection is closed (RFC 9112, section 9.6).
 */
import type { Cancel, Clock } from '../../core/ports.js';
import { MIB, SECOND_MS } from '../../core/units.js';
import type { HttpRequest } from './http-messages.js';

const LINGER_BYTES_MAX = 16 * MIB;
const LINGER_MS = 2 * SECOND_MS;

/**
 * Reads until the client has sent all, or more or for longer than is waited for; then `onEnd`. What is returned ends it at
 * once.
 */
export function dropRest(request: HttpRequest, clock: Clock, onEnd: () => void): () => void {
  let bytes = 0;
  let cancel: Cancel | undefined = undefined;
  const end = (): void => {
    request.off('data', onData);
    request.off('end', end);
    cancel?.();
    onEnd();
  };
  const onData = (chunk: Uint8Array): void => {
    bytes += chunk.length;
    if (bytes > LINGER_BYTES_MAX) end();
  };
  cancel = clock.schedule(LINGER_MS, end);
  request.on('data', onData);
  request.on('end', end);
  request.resume();
  return end;
}
