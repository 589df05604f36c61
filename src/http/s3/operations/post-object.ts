/** PostObject: an upload from a browser's form. The file is stored as it comes, once the fields before it were found good. */
import type { IncomingHttpHeaders } from 'node:http';
import { WRITE_OBJECT, WRITE_TAGS } from '../../auth/permissions.js';
import { KEY_BYTES_MAX, type ObjectHeaders } from '../../../core/object.js';
import type { WriteReceipt } from '../../../engine/object-service.js';
import { addOffset, answer } from '../answer.js';
import { denied, isAllowed } from '../authorize.js';
import { planBody } from '../body-plan.js';
import { BodyReader, type BodyReceiver } from '../body-reader.js';
import { BodyStream } from '../body-stream.js';
import { BodyVerifier } from '../body-verifier.js';
import { addChecksumHeaders, planChecksum } from '../checksum-headers.js';
import type { Exchange } from '../exchange.js';
import { boundaryOf, FormParser, type FormReceiver } from '../form-parser.js';
import { headersOfWrite } from '../object-headers.js';
import { checkPostPolicy, type FileSizeRange } from '../post-policy.js';
import { invalidArgument, S3Error } from '../s3-error.js';
import { OBJECT_TAGS_MAX, parseTagSet } from '../tags.js';
import { parseXml } from '../xml-reader.js';
import { element, XML_DECLARATION } from '../xml-writer.js';

const NO_TRAILERS: ReadonlyMap<string, string> = new Map();

export function postObject(exchange: Exchange): void {
  const { headers } = exchange;
  const boundary = boundaryOf(headers['content-type'] ?? '');
  if (boundary === undefined)
    throw new S3Error('PreconditionFailed', undefined, {
      elements: { Condition: 'Bucket POST must be of the enclosure-type multipart/form-data' },
    });
  const length = headers['content-length'];
  if (length === undefined) throw new S3Error('MissingContentLength');
  const plan = planBody({ 'content-length': length });
  const upload = new FormUpload(exchange, boundary);
  const reader = new BodyReader(exchange.request, plan, upload);
  upload.attach(reader);
  exchange.acceptBody(reader, 0);
}

class FormUpload implements BodyReceiver, FormReceiver {
  readonly #exchange: Exchange;
  readonly #parser: FormParser;
  readonly #stream: BodyStream;
  #verifier: BodyVerifier | undefined;
  #range: FileSizeRange = { minBytes: 0, maxBytes: 0 };
  #size = 0;
  #storing = false;

  constructor(exchange: Exchange, boundary: string) {
    this.#exchange = exchange;
    this.#parser = new FormParser(boundary, {
      file: (fields, fileName) => this.file(fields, fileName),
      take: (bytes) => this.#takeFile(bytes),
    });
    this.#stream = new BodyStream((error) => exchange.bodyFailed(error));
  }

  attach(reader: BodyReader): void {
    this.#stream.attach(reader);
  }

  take(bytes: Uint8Array): void {
    this.#parser.feed(bytes);
  }

  end(): void {
    try {
      this.#parser.end();
      if (this.#size < this.#range.minBytes)
        throw sizeError('EntityTooSmall', this.#size, this.#range.minBytes);
      this.#verifier?.finish(NO_TRAILERS);
    } catch (error) {
      this.fail(error);
      return;
    }
    this.#stream.end();
  }

  fail(error: unknown): void {
    if (this.#storing) {
      this.#stream.fail(error);
      return;
    }
    this.#exchange.bodyFailed(error);
    this.#exchange.fail(error);
  }

  /** All fields are there: decides, and begins to store. */
  file(fields: ReadonlyMap<string, string>, fileName: string): void {
    const { context, target } = this.#exchange;
    const form = readForm(this.#exchange, fields, fileName);
    this.#range = form.range;
    this.#verifier = form.verifier;
    const { verifier } = form;
    this.#storing = true;
    const stored = context.objects.putObject({
      bucket: target.bucket,
      key: form.key,
      body: { kind: 'stream', stream: this.#stream, size: undefined },
      headers: form.headers,
      md5: form.md5,
      checksum: verifier === undefined ? undefined : () => verifier.checksum,
    });
    answer(this.#exchange, stored, (receipt) => reply(this.#exchange, fields, form.key, receipt));
  }

  #takeFile(bytes: Uint8Array): void {
    this.#size += bytes.length;
    if (this.#size > this.#range.maxBytes)
      throw sizeError('EntityTooLarge', this.#size, this.#range.maxBytes);
    this.#verifier?.update(bytes);
    this.#stream.take(bytes);
  }
}

function sizeError(code: 'EntityTooSmall' | 'EntityTooLarge', size: number, limit: number): S3Error {
  const name = code === 'EntityTooSmall' ? 'MinSizeAllowed' : 'MaxSizeAllowed';
  return new S3Error(code, undefined, { elements: { ProposedSize: String(size), [name]: String(limit) } });
}

interface Form {
  readonly key: string;
  readonly headers: ObjectHeaders;
  readonly range: FileSizeRange;
  readonly md5: Uint8Array | undefined;
  readonly verifier: BodyVerifier | undefined;
}

function readForm(exchange: Exchange, fields: ReadonlyMap<string, string>, fileName: string): Form {
  const { context, target } = exchange;
  const key = keyOf(fields, fileName);
  exchange.target = { ...target, key };
  exchange.identity = context.authenticator.authenticateForm(fields);
  const checked = new Map(fields).set('key', key).set('bucket', target.bucket);
  const policy = fields.get('policy');
  const range =
    policy === undefined
      ? { minBytes: 0, maxBytes: Number.MAX_SAFE_INTEGER }
      : checkPostPolicy(policy, checked, context.clock.wallTimeMs());
  const permissions =
    fields.has('tagging') || fields.has('x-amz-tagging') ? [WRITE_OBJECT, WRITE_TAGS] : [WRITE_OBJECT];
  for (const permission of permissions)
    if (!isAllowed(exchange, permission, target.bucket, key)) throw denied(exchange, permission);
  const given = headersOf(fields);
  const acl = fields.get('acl') ?? fields.get('x-amz-acl');
  if (acl !== undefined) given['x-amz-acl'] = acl;
  const headers = headersOfWrite(exchange, given);
  const tagging = fields.get('tagging');
  const tags = tagging === undefined ? undefined : parseTagSet(parseXml(tagging), OBJECT_TAGS_MAX);
  const checksum = planChecksum(given);
  const plan = { ...planBody({ 'content-length': '0', 'content-md5': given['content-md5'] }), checksum };
  return {
    key,
    headers: tags === undefined ? headers : { ...headers, tags },
    range,
    md5: plan.md5,
    verifier: checksum === undefined ? undefined : new BodyVerifier(plan),
  };
}

function keyOf(fields: ReadonlyMap<string, string>, fileName: string): string {
  // Browsers of old send the whole path.
  const key = fields.get('key')?.replaceAll('${filename}', () => fileName.replace(/^.*[/\\]/, '')) ?? '';
  if (key === '')
    throw invalidArgument(
      "Bucket POST must contain a field named 'key'. If it is specified, please check the order of the fields.",
      'key',
      '',
    );
  const size = Buffer.byteLength(key);
  if (size <= KEY_BYTES_MAX) return key;
  throw new S3Error('KeyTooLongError', undefined, {
    elements: { Size: String(size), MaxSizeAllowed: String(KEY_BYTES_MAX) },
  });
}

/** Fields that mean what a header of PutObject means. */
const HEADER_FIELDS =
  /^(?:content-(?:type|encoding|language|disposition|md5)|cache-control|expires|x-amz-(?:acl|tagging|storage-class|website-redirect-location|(?:meta|server-side-encryption|checksum|object-lock|grant)-?.*))$/;
const HEADER_NAME = /^[a-z\d!#$%&'*+.^_`|~-]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** They become headers of answers, so they must not hold what ends a header. */
function headersOf(fields: ReadonlyMap<string, string>): IncomingHttpHeaders {
  const headers: IncomingHttpHeaders = {};
  for (const [name, text] of fields) {
    if (!HEADER_FIELDS.test(name)) continue;
    // Header values are byte strings.
    const value = Buffer.from(text).toString('latin1');
    if (!HEADER_NAME.test(name) || !HEADER_VALUE.test(value))
      throw invalidArgument('The value of the field cannot be that of a header.', name, text);
    headers[name] = value;
  }
  return headers;
}

function reply(
  exchange: Exchange,
  fields: ReadonlyMap<string, string>,
  key: string,
  receipt: WriteReceipt,
): void {
  const { bucket } = exchange.target;
  const etag = `"${receipt.etag}"`;
  const location = `${exchange.scheme}://${exchange.headers.host ?? ''}/${bucket}/${encodeURIComponent(key).replaceAll('%2F', '/')}`;
  const headers = exchange.startHeaders();
  headers.push('ETag', etag);
  addChecksumHeaders(headers, receipt.checksum);
  addOffset(headers, receipt);
  const redirect = redirectOf(fields.get('success_action_redirect') ?? fields.get('redirect'));
  if (redirect !== undefined) {
    for (const [name, value] of Object.entries({ bucket, key, etag }))
      redirect.searchParams.append(name, value);
    headers.push('Location', redirect.href);
    exchange.reply(303, headers);
    return;
  }
  headers.push('Location', location);
  const status = fields.get('success_action_status');
  if (status !== '201') {
    exchange.reply(status === '200' ? 200 : 204, headers);
    return;
  }
  const content =
    element('Location', location) + element('Bucket', bucket) + element('Key', key) + element('ETag', etag);
  // The one document of S3 without a namespace, beside its errors.
  exchange.replyXml(201, `${XML_DECLARATION}<PostResponse>${content}</PostResponse>`, headers);
}

/** What is no address of a page is ignored, as S3 does. */
function redirectOf(text: string | undefined): URL | undefined {
  if (text === undefined || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  return url.protocol === 'http:' || url.protocol === 'https:' ? url : undefined;
}
