/**
 * How fast the checksums of S3 are computed, in this process and on one core, by the code that the server uses. The floor reads
 * the same bytes once: nothing that has to look at each of them is faster than memory.
 */
import { createChecksummer, CHECKSUM_ALGORITHMS } from '../../src/core/checksum.js';
import type { BenchContext } from '../context.js';
import { median } from '../measurement.js';
import type { Check, Row } from '../report.js';
import { bodyBlock } from '../load-plan.js';

/** As bodies arrive from a socket. */
const PIECE_BYTES = 64 * 1024;
const BODY_BYTES = 16 * 1024 ** 2;
/** GB (10^9 bytes) per second and core. */
const TARGETS: Readonly<Record<string, number>> = { CRC32C: 1, CRC64NVME: 1 };

export function measureChecksums(context: BenchContext): Row[] {
  const { scale } = context;
  context.progress('checksums');
  const piece = bodyBlock(0, PIECE_BYTES);
  const copy = Buffer.alloc(PIECE_BYTES);
  const sides = new Map<string, () => void>([
    ['floor: copy in memory', () => repeat(() => piece.copy(copy))],
  ]);
  for (const algorithm of CHECKSUM_ALGORITHMS)
    sides.set(algorithm, () => {
      const checksummer = createChecksummer(algorithm);
      repeat(() => checksummer.update(piece));
      checksummer.digest();
    });
  const rates = new Map([...sides.keys()].map((name) => [name, [] as number[]]));
  for (let round = 0; round <= scale.rounds; round++)
    for (const [name, body] of sides) {
      const rate = rateOf(body, scale.roundMs / 10);
      // The first round compiles.
      if (round > 0) rates.get(name)?.push(rate);
    }
  return [...rates].map(([name, measured]) => ({
    scenario: `Checksum of a body in pieces of ${PIECE_BYTES / 1024} KiB, one core`,
    side: name,
    checks: [rateCheck(median(measured), TARGETS[name])],
  }));
}

function repeat(work: () => void): void {
  for (let bytes = 0; bytes < BODY_BYTES; bytes += PIECE_BYTES) work();
}

/** GB per second of processor time, so that what else runs on the machine does not count. */
function rateOf(body: () => void, durationMs: number): number {
  const startedMs = performance.now();
  const before = process.cpuUsage();
  let bodies = 0;
  do {
    body();
    bodies++;
  } while (performance.now() - startedMs < durationMs);
  const { user, system } = process.cpuUsage(before);
  return (bodies * BODY_BYTES) / 1e9 / (Math.max(1, user + system) / 1e6);
}

function rateCheck(rate: number, target: number | undefined): Check {
  const check = { what: 'per second and core', value: `${rate.toFixed(2)} GB` };
  return target === undefined ? check : { ...check, target: `at least ${target} GB`, pass: rate >= target };
}
