/**
 * Damage to the log that is no trace of a crash: a wrong bit in a frame with an intact frame behind it. A start has to report it and to
 * leave the log as it is; cutting it, or going on without it, would lose what was acknowledged without a word.
 */
import { FRAME_HEADER_BYTES, frameBytesAt, verifyFrame } from '../log/frame.js';
import { isErrorCode } from '../src/core/errors.js';
import type { Disk } from '../src/core/ports.js';
import type { SimRandom } from './sim-random.js';
import type { Simulation } from './simulation.js';

const SEGMENT_NAME = /^\d{10}-\d{16}\.log$/;
const BITS = 8;

/** A frame of the log that is surely not its end. */
interface InnerFrame {
  readonly path: string;
  readonly position: number;
  readonly bytes: number;
}

/** Damages the log of a machine whose process has ended, starts a process on it, and mends it when that has ended. */
export async function checkDamageIsReported(run: Simulation, random: SimRandom): Promise<void> {
  const { world, recorder, events } = run;
  const frames = await world.run(innerFrames(world.disk));
  if (frames.length === 0) return;
  const { path, position, bytes } = random.pick(frames);
  const at = position + random.below(bytes);
  const bit = random.below(BITS);
  world.disk.flipAtRest(path, at, bit);
  const damaged = await world.run(contentOf(world.disk, path));
  recorder.trace.line(`fault logDamage: bit ${bit} of byte ${at} of ${path}`);
  recorder.statistics.count('faults', 'logDamage');
  events.isSuspended = true;
  const error = await world.run(world.open()).then(
    () => undefined,
    (reason: Error) => reason,
  );
  events.isSuspended = false;
  recorder.trace.line('process ends: it was given a damaged log');
  world.kill();
  const isUntouched = damaged.equals(await world.run(contentOf(world.disk, path)));
  world.disk.flipAtRest(path, at, bit);
  const finding =
    error === undefined
      ? 'a start succeeds'
      : !isErrorCode(error, 'CORRUPT_FRAME')
        ? `a start says ${error.message}`
        : isUntouched
          ? undefined
          : 'a start reports it and changes the log all the same';
  if (finding === undefined) return recorder.probe('damage of the log reported');
  const where = `byte ${at} of ${path}, in the middle of the log, is wrong`;
  recorder.report('reports-corruption', `${where}, and ${finding}`, undefined, error);
}

/** Of the newest segment of each partition, which is the one that a start looks through. */
async function innerFrames(disk: Disk): Promise<InnerFrame[]> {
  const frames: InnerFrame[] = [];
  for (const partition of (await disk.list('log')).filter((name) => !name.includes('.')).sort()) {
    const names = (await disk.list(`log/${partition}`)).filter((name) => SEGMENT_NAME.test(name)).sort();
    const newest = names.at(-1);
    if (newest !== undefined) frames.push(...(await innerFramesOf(disk, `log/${partition}/${newest}`)));
  }
  return frames;
}

async function innerFramesOf(disk: Disk, path: string): Promise<InnerFrame[]> {
  const bytes = await contentOf(disk, path);
  const frames: InnerFrame[] = [];
  let before: { readonly frame: InnerFrame; readonly nextOffset: number; readonly epoch: number } | undefined;
  for (let position = 0; position + FRAME_HEADER_BYTES <= bytes.length;) {
    const length = frameBytesAt(bytes, position);
    const header =
      length === undefined ? undefined : verifyFrame(bytes.subarray(position, position + length));
    if (length === undefined || header === undefined) break;
    // What follows is of this life of the file, and not of an earlier one.
    if (before !== undefined && (header.firstOffset !== before.nextOffset || header.epoch < before.epoch))
      break;
    if (before !== undefined) frames.push(before.frame);
    const nextOffset = header.firstOffset + header.count;
    before = { frame: { path, position, bytes: length }, nextOffset, epoch: header.epoch };
    position += length;
  }
  return frames;
}

async function contentOf(disk: Disk, path: string): Promise<Buffer> {
  const file = await disk.open(path, { readOnly: true });
  const bytes = Buffer.alloc((await disk.sizeOf(path)) ?? 0);
  const length = await file.read(0, bytes);
  await file.close();
  return bytes.subarray(0, length);
}
