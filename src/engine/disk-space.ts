/**
 * The free space of the disk: as last seen, because asking at each write would cost more than the write, less what the segment
 * files have grown since, or more what they gave back.
 */
import type { Logger } from '../core/logger.js';
import type { Clock, Disk } from '../core/ports.js';
import { SECOND_MS } from '../core/units.js';

/** How often the free space of the disk is read. */
const DISK_SPACE_PERIOD_MS = SECOND_MS;

interface DiskSpaceParts {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Bytes the segment files take now. */
  readonly usedBytes: () => number;
}

export class DiskSpace {
  #seenFreeBytes = 0;
  #seenUsedBytes = 0;
  #cancel: (() => void) | undefined;
  #stopped = false;
  readonly #parts: DiskSpaceParts;

  private constructor(parts: DiskSpaceParts) {
    this.#parts = parts;
  }

  static async open(parts: DiskSpaceParts): Promise<DiskSpace> {
    const space = new DiskSpace(parts);
    await space.#look();
    space.#again();
    return space;
  }

  get freeBytes(): number {
    return this.#seenFreeBytes + this.#seenUsedBytes - this.#parts.usedBytes();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  async #look(): Promise<void> {
    const { disk, usedBytes } = this.#parts;
    const { freeBytes } = await disk.space();
    this.#seenFreeBytes = freeBytes;
    this.#seenUsedBytes = usedBytes();
  }

  #again(): void {
    if (this.#stopped) return;
    this.#cancel = this.#parts.clock.schedule(DISK_SPACE_PERIOD_MS, () => {
      this.#look()
        .catch((error: unknown) =>
          this.#parts.logger.warn({ error }, 'the free space of the disk cannot be read'),
        )
        .finally(() => this.#again());
    });
  }
}
