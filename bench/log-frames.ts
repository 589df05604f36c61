/**
 * How many frames (appends that were written together) a range of a partition's log has, read from its files beside the running
 * server.
 */
import { join, resolve } from 'node:path';
import { FrameScanner } from '../log/frame-scan.js';
import { NodeDisk } from '../src/adapters/node-disk.js';
import type { HeadraceProcess } from './headrace-process.js';

/** The partition of a store that has only one for objects. */
const PARTITION = 1;

/** The offset that the next event gets. */
export async function logHead(server: HeadraceProcess): Promise<number> {
  const { status, text } = await server.admin('GET', '/api/v1/log/head');
  if (status !== 200) throw new Error(`GET /api/v1/log/head: ${status} ${text}`);
  const { heads } = JSON.parse(text) as { heads: readonly { partition: number; durableOffset: number }[] };
  const head = heads.find(({ partition }) => partition === PARTITION);
  if (head === undefined) throw new Error(`there is no partition ${PARTITION}: ${text}`);
  return head.durableOffset;
}

/** Frames whose first event is at `from` (inclusive) up to `to` (exclusive), and all their events. */
export async function countFrames(
  server: HeadraceProcess,
  from: number,
  to: number,
): Promise<{ frames: number; events: number }> {
  const directory = `log/p${String(PARTITION).padStart(4, '0')}`;
  const disk = new NodeDisk(resolve(server.options.dataDirectory ?? join('.', 'data')));
  const names = (await disk.list(directory)).filter((name) => /^\d{10}-\d{16}\.log$/.test(name));
  const count = { frames: 0, events: 0 };
  for (const [i, name] of names.entries()) {
    const next = names[i + 1];
    // The second number of a name is the first offset in the file.
    if (Number(name.slice(11, 27)) >= to || (next !== undefined && Number(next.slice(11, 27)) <= from))
      continue;
    const file = await disk.open(`${directory}/${name}`, { readOnly: true });
    const scanner = new FrameScanner(file);
    for (let position = 0; ;) {
      const found = await scanner.at(position);
      if (found.kind !== 'FRAME') break;
      position += found.bytes.length;
      const { firstOffset, count: events } = found.header;
      // A seal has no events.
      if (events === 0 || firstOffset < from || firstOffset >= to) continue;
      count.frames++;
      count.events += events;
    }
    await file.close();
  }
  return count;
}
