/** Why a write got no room, in words that say which limit it was; all with `retryAfterMs` in their details. */
import { HeadraceError } from '../core/errors.js';
import type { AdmissionSources } from './admission.js';
import type { Budget } from './space-budgets.js';

/** `SLOW_DOWN` where uploads will make room, `OUT_OF_SPACE` where they cannot. */
type RefusalCode = 'SLOW_DOWN' | 'OUT_OF_SPACE';

const RETRY_AFTER_MS = 1000;

/** The capacity, or the disk, is full of what cannot be evicted. */
export function noRoom(
  bytes: number,
  {
    usedBytes,
    capacityBytes,
    diskFreeBytes,
  }: Pick<AdmissionSources, 'usedBytes' | 'capacityBytes' | 'diskFreeBytes'>,
): HeadraceError {
  return refusal(
    'OUT_OF_SPACE',
    `the cache has no room for ${bytes} bytes: ${usedBytes()} of ${capacityBytes} bytes are in use, ` +
      `${diskFreeBytes()} bytes are free on the disk, and nothing more can be evicted`,
  );
}

/** The budget of a path rule is used up. */
export function overBudget(code: RefusalCode, bytes: number, budget: Budget): HeadraceError {
  const pinned = budget.usedBytes + budget.reservedBytes;
  return refusal(
    code,
    `${leadOf(code)}: ${pinned} bytes below ${budget.rule} wait to be persisted and ${bytes} more would exceed the ` +
      `budget of ${budget.limitBytes} (pinnedBudget of the path rule)`,
  );
}

/** The pinned limit is reached. */
export function overLimit(
  code: RefusalCode,
  bytes: number,
  pinnedBytes: number,
  pinnedLimitBytes: number,
): HeadraceError {
  return refusal(
    code,
    `${leadOf(code)}: ${pinnedBytes} bytes wait to be persisted and ${bytes} more would exceed the limit of ` +
      `${pinnedLimitBytes} (worker.page.store.pinned.file.capacity.limit.ratio)`,
  );
}

function leadOf(code: RefusalCode): string {
  return code === 'SLOW_DOWN' ? 'the under-store takes less than is written' : 'out of space';
}

function refusal(code: RefusalCode, message: string): HeadraceError {
  return new HeadraceError(code, message, { details: { retryAfterMs: RETRY_AFTER_MS } });
}
