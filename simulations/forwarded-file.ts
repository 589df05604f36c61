/** A file of which a simulation changes or watches some operations: the others go on to the file behind it. */
import type { DiskFile } from '../src/core/ports.js';

/** Files are opened often and every operation passes through each layer: classes of one shape cost a fraction of bound functions. */
export class ForwardedFile implements DiskFile {
  readonly path: string;
  protected readonly file: DiskFile;

  constructor(file: DiskFile) {
    this.path = file.path;
    this.file = file;
  }

  write(position: number, bytes: Uint8Array): Promise<void> {
    return this.file.write(position, bytes);
  }

  sync(): Promise<void> {
    return this.file.sync();
  }

  read(position: number, target: Uint8Array): Promise<number> {
    return this.file.read(position, target);
  }

  readSync(position: number, target: Uint8Array): number {
    return this.file.readSync(position, target);
  }

  truncate(size: number): Promise<void> {
    return this.file.truncate(size);
  }

  size(): Promise<number> {
    return this.file.size();
  }

  close(): Promise<void> {
    return this.file.close();
  }
}
