/**
 * What a store may show for each key, given which writes were begun and which were acknowledged.
 *
 * A write takes effect at one moment between its begin and its end, or never if it was not acknowledged. So a read may
 * show a write unless another one began after it had ended, and ended before the read began: the rule of a linearizable
 * register (Herlihy and Wing, 1990), without the search that several reads together would need.
 */
import { createCipheriv, createHash } from 'node:crypto';

/** Bytes that are made again from their seed instead of being kept. */
export interface Content {
  readonly seed: number;
  readonly size: number;
  /** Quoted. */
  readonly etag: string;
  /** A multipart body consists of these. */
  readonly parts?: readonly Content[];
}

export interface Write {
  readonly key: string;
  /** Undefined for a delete. */
  readonly content: Content | undefined;
  readonly begunAt: number;
  /** Infinity as long as it was not acknowledged. */
  endedAt: number;
}

export class ObjectModel {
  readonly #writes = new Map<string, Write[]>();
  #now = 0;

  get keys(): string[] {
    return [...this.#writes.keys()].sort();
  }

  /** A moment that lies between everything before and everything after. */
  moment(): number {
    return ++this.#now;
  }

  begin(key: string, content: Content | undefined): Write {
    const write: Write = { key, content, begunAt: this.moment(), endedAt: Infinity };
    const writes = this.#writes.get(key) ?? [absent(key)];
    writes.push(write);
    this.#writes.set(key, writes);
    return write;
  }

  acknowledge(write: Write): void {
    write.endedAt = this.moment();
  }

  /** What a read from `begunAt` to `endedAt` may show; undefined stands for no object. */
  candidates(key: string, begunAt: number, endedAt: number): (Content | undefined)[] {
    const writes = this.#writes.get(key) ?? [absent(key)];
    const supersededAt = Math.max(
      ...writes.filter((write) => write.endedAt < begunAt).map((write) => write.begunAt),
    );
    return writes
      .filter((write) => write.begunAt < endedAt && write.endedAt >= supersededAt)
      .map((write) => write.content);
  }

  /** Nothing is in flight and this is what was read: the only truth from here on. */
  settle(key: string, content: Content | undefined): void {
    const at = this.moment();
    this.#writes.set(key, [{ key, content, begunAt: at, endedAt: at }]);
  }

  /** The content of a settled key. */
  settled(key: string): Content | undefined {
    const writes = this.#writes.get(key) ?? [];
    if (writes.length > 1) throw new Error(`${key} is not settled`);
    return writes[0]?.content;
  }
}

function absent(key: string): Write {
  return { key, content: undefined, begunAt: 0, endedAt: 0 };
}

/** Bytes that differ in every seed and cannot be told from random ones. */
export function makeBody(seed: number, size: number): Buffer {
  const key = createHash('sha256').update(String(seed)).digest();
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  return cipher.update(Buffer.alloc(size));
}

export function describeContent(content: Content | undefined): string {
  return content === undefined
    ? 'no object'
    : `${content.size} bytes of seed ${content.seed}, ${content.etag}`;
}

/** The one of `candidates` that these bytes and this ETag are, or a message that says what came instead. */
export function matchContent(
  candidates: readonly (Content | undefined)[],
  found: { readonly body: Uint8Array; readonly etag?: string } | undefined,
): { content: Content | undefined } | { problem: string } {
  for (const content of candidates) {
    if (content === undefined && found === undefined) return { content };
    if (content === undefined || found === undefined || content.size !== found.body.length) continue;
    if (found.etag !== undefined && found.etag !== content.etag) continue;
    if (bodyOf(content).equals(found.body)) return { content };
  }
  const what =
    found === undefined ? 'no object' : `${found.body.length} bytes, ETag ${found.etag ?? 'unknown'}`;
  return { problem: `found ${what}; expected one of: ${candidates.map(describeContent).join(' | ')}` };
}

export function bodyOf(content: Content): Buffer {
  if (content.parts === undefined) return makeBody(content.seed, content.size);
  return Buffer.concat(content.parts.map(bodyOf));
}

/** The content of a single PUT, with the ETag that S3 gives it: the MD5 of the bytes. */
export function singleContent(seed: number, size: number): Content {
  const etag = createHash('md5').update(makeBody(seed, size)).digest('hex');
  return { seed, size, etag: `"${etag}"` };
}

/** The content of a multipart upload, with the ETag that S3 gives it: the MD5 of the parts' MD5s, and their number. */
export function multipartContent(parts: readonly Content[]): Content {
  const hash = createHash('md5');
  for (const part of parts) hash.update(Buffer.from(part.etag.slice(1, 33), 'hex'));
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  return { seed: parts[0]?.seed ?? 0, size, etag: `"${hash.digest('hex')}-${parts.length}"`, parts };
}
