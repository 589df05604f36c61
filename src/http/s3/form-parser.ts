/**
 * A form as browsers upload it (RFC 7578, multipart/form-data), read as it comes: the fields first, then one file.
 *
 * Fields are kept, within a limit; the bytes of the file are handed on as slices of what came. What follows the file is
 * ignored, as S3 does, within the same limit.
 */
import { KIB } from '../../core/units.js';
import { S3Error } from './s3-error.js';

/** Everything but the file (S3 API reference, "POST Object"). */
const FORM_BYTES_MAX = 20 * KIB;
const FIELDS_MAX = 200;
const PART_HEAD_END = Buffer.from('\r\n\r\n');
const CARRIAGE_RETURN = 0x0d;

export interface FormReceiver {
  /** The file begins. Names of fields are lower case. */
  file(fields: ReadonlyMap<string, string>, fileName: string): void;
  take(bytes: Uint8Array): void;
}

/** The boundary that a Content-Type names; undefined when it is not that of a form. */
export function boundaryOf(contentType: string): string | undefined {
  const match =
    /^multipart\/form-data *;(?:.*; *)? *boundary=(?:"([^"]{1,70})"|([^\s";,]{1,70})) *(?:;.*)?$/i.exec(
      contentType,
    );
  return match?.[1] ?? match?.[2];
}

interface Part {
  readonly name: string;
  readonly fileName: string;
  readonly bodyAt: number;
  readonly endAt: number | undefined;
}

export class FormParser {
  readonly #receiver: FormReceiver;
  readonly #delimiter: Buffer;
  readonly #fields = new Map<string, string>();
  #state: 'fields' | 'file' | 'over' = 'fields';
  /** What was not yet understood; in a file, what may be the beginning of the delimiter. */
  #rest: Buffer;
  #formBytes = 0;

  constructor(boundary: string, receiver: FormReceiver) {
    this.#receiver = receiver;
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
    // The first delimiter needs no line before it.
    this.#rest = Buffer.from('\r\n');
  }

  /** Throws MalformedPOSTRequest, MaxPostPreDataLengthExceeded and what the receiver throws. */
  feed(bytes: Uint8Array): void {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    if (this.#state === 'file') this.#feedFile(data);
    else if (this.#state === 'fields') this.#feedFields(data);
    else this.#count(chunk.length);
  }

  /** No more comes. Throws MalformedPOSTRequest unless the file was whole. */
  end(): void {
    if (this.#state !== 'over') throw malformed('the form ends before its file does');
  }

  #feedFields(data: Buffer): void {
    let at = 0;
    for (let part = this.#nextPart(data, at); part !== undefined; part = this.#nextPart(data, at)) {
      const { name, fileName, bodyAt, endAt } = part;
      this.#count(bodyAt - at);
      if (endAt === undefined) {
        this.#state = 'file';
        this.#receiver.file(this.#fields, fileName);
        this.#feedFile(data.subarray(bodyAt));
        return;
      }
      this.#addField(name, data.toString('utf8', bodyAt, endAt));
      this.#count(endAt - bodyAt);
      at = endAt;
    }
    this.#rest = Buffer.from(data.subarray(at));
    if (this.#formBytes + this.#rest.length > FORM_BYTES_MAX) throw tooLong();
  }

  /**
   * The part whose delimiter begins at `at`; undefined until all of it is here. The file is there with its head, and has no
   * `endAt`.
   */
  #nextPart(data: Buffer, at: number): Part | undefined {
    const headAt = at + this.#delimiter.length;
    if (data.length < headAt + 2) return undefined;
    if (data.compare(this.#delimiter, 0, this.#delimiter.length, at, headAt) !== 0)
      throw malformed('it does not begin with its boundary');
    if (data.toString('latin1', headAt, headAt + 2) !== '\r\n')
      throw malformed('it has no file, or a boundary is followed by something else than a line end');
    const headEnd = data.indexOf(PART_HEAD_END, headAt);
    if (headEnd < 0) return undefined;
    const { name, fileName } = parseHead(data.toString('utf8', headAt + 2, headEnd));
    const bodyAt = headEnd + PART_HEAD_END.length;
    if (name === 'file') return { name, fileName, bodyAt, endAt: undefined };
    const endAt = data.indexOf(this.#delimiter, bodyAt);
    return endAt < 0 ? undefined : { name, fileName, bodyAt, endAt };
  }

  #feedFile(data: Buffer): void {
    const end = data.indexOf(this.#delimiter);
    const sure = end < 0 ? this.#mayBegin(data) : end;
    if (sure > 0) this.#receiver.take(data.subarray(0, sure));
    if (end < 0) {
      this.#rest = data.subarray(sure);
      return;
    }
    this.#state = 'over';
    this.#rest = Buffer.alloc(0);
    this.#count(data.length - end);
  }

  /** Where the end of `data` may be the beginning of a delimiter. */
  #mayBegin(data: Buffer): number {
    const from = Math.max(0, data.length - this.#delimiter.length + 1);
    for (let at = data.indexOf(CARRIAGE_RETURN, from); at >= 0; at = data.indexOf(CARRIAGE_RETURN, at + 1))
      if (data.compare(this.#delimiter, 0, data.length - at, at) === 0) return at;
    return data.length;
  }

  #addField(name: string, value: string): void {
    if (this.#fields.has(name)) throw malformed(`the field ${name} is there twice`);
    if (this.#fields.size >= FIELDS_MAX) throw malformed(`it has more than ${FIELDS_MAX} fields`);
    this.#fields.set(name, value);
  }

  #count(bytes: number): void {
    this.#formBytes += bytes;
    if (this.#formBytes > FORM_BYTES_MAX) throw tooLong();
  }
}

function parseHead(head: string): { name: string; fileName: string } {
  for (const line of head.split('\r\n')) {
    const disposition = /^content-disposition *: *form-data *(;.*)$/i.exec(line)?.[1];
    if (disposition === undefined) continue;
    const name = /; *name="([^"]{1,256})"/i.exec(disposition)?.[1];
    if (name === undefined) break;
    const fileName = /; *filename="([^"]{0,1024})"/i.exec(disposition)?.[1] ?? '';
    return { name: name.toLowerCase(), fileName };
  }
  throw malformed('a part has no Content-Disposition with a name');
}

function malformed(what: string): S3Error {
  return new S3Error(
    'MalformedPOSTRequest',
    `The body of your POST request is not well-formed multipart/form-data: ${what}.`,
  );
}

function tooLong(): S3Error {
  return new S3Error('MaxPostPreDataLengthExceeded');
}
