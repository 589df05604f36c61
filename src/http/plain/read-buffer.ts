/**
 * One buffer into which all sockets are read, instead of 64 KiB that node allocates for each read: a third of what a small
 * request takes on a bare socket.
 *
 * Node offers this for sockets that connect (`onread` of `net.connect`) and not for those that a server accepts, though they are
 * of one class. It is switched on here by the same fields; where a version of Node has not got them, reads take what they always
 * took.
 */
import type { Socket } from 'node:net';
import { KIB } from '../../core/units.js';

/** As node's own reads. */
const READ_BYTES_MAX = 64 * KIB;

/** Takes the first `length` bytes of `bytes`, which are its own only until it returns. False holds back the next read. */
export type ReadCallback = (bytes: Buffer, length: number) => boolean;

/** The fields of a socket that `onread` sets. */
interface Fields {
  readonly buffer: symbol;
  readonly callback: symbol;
}

interface Handle {
  useUserBuffer?(buffer: Uint8Array): void;
}

export class ReadBuffer {
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES_MAX);
  #fields: Fields | undefined;

  /** Gives `callback` all that is read from now on. Whether the reads are without allocations. */
  read(socket: Socket, callback: ReadCallback): boolean {
    const fields = (this.#fields ??= fieldsOf(socket));
    const handle = Reflect.get(socket, '_handle') as Handle | null;
    if (fields === undefined || typeof handle?.useUserBuffer !== 'function') {
      socket.on('data', (bytes: Buffer) => {
        if (!callback(bytes, bytes.length)) socket.pause();
      });
      return false;
    }
    Object.assign(socket, {
      [fields.buffer]: this.#buffer,
      [fields.callback]: (length: number, bytes: Buffer) => callback(bytes, length),
    });
    handle.useUserBuffer(this.#buffer);
    socket.resume();
    return true;
  }

  /** What is read from now on is the stream's again. */
  release(socket: Socket): void {
    const fields = this.#fields;
    if (fields === undefined || Reflect.get(socket, fields.buffer) !== this.#buffer) {
      socket.removeAllListeners('data');
      return;
    }
    // The buffer stays where the handle reads to, unless somebody else takes over the handle, as node:http does.
    Object.assign(socket, {
      [fields.callback]: (length: number, bytes: Buffer) =>
        socket.push(Buffer.from(bytes.subarray(0, length))),
    });
  }
}

function fieldsOf(socket: Socket): Fields | undefined {
  const symbols = Object.getOwnPropertySymbols(socket);
  const buffer = symbols.find(({ description }) => description === 'kBuffer');
  const callback = symbols.find(({ description }) => description === 'kBufferCb');
  return buffer === undefined || callback === undefined ? undefined : { buffer, callback };
}
