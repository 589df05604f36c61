/** The system's clock with a wall time that stands still where it is put. */
import { SystemClock } from '../../src/adapters/system-clock.js';

export class FixedClock extends SystemClock {
  nowMs: number;

  constructor(nowMs: number) {
    super();
    this.nowMs = nowMs;
  }

  override wallTimeMs(): number {
    return this.nowMs;
  }
}
