/** ListObjects and ListObjectsV2: one page of a bucket, in the order of the keys' UTF-8 bytes. */
import { greatestKeyBelow } from '../../../core/store-listing.js';
import type { ListEntry, ListObjectsResult } from '../../../engine/object-service.js';
import { answer } from '../answer.js';
import type { Exchange } from '../exchange.js';
import { behindMarker, parseLimit, unsupportedValue, wantsUrlEncoding } from '../parameters.js';
import { invalidArgument } from '../s3-error.js';
import { element, encodeUrl, escapeXml, optionalElement, xmlDocument } from '../xml-writer.js';
import { listedEntries } from './listed-entries.js';
import { ownerElement } from './owner.js';

interface Listing {
  readonly prefix: string;
  readonly delimiter: string;
  readonly maxKeys: number;
  /** Name to text of an element, encoded as asked for. */
  readonly encode: (name: string) => string;
  readonly encoding: string;
}

export function listObjects(exchange: Exchange): void {
  const { query } = exchange.target;
  const marker = query.get('marker') ?? '';
  const listing = parseListing(query);
  const { encode } = listing;
  list(exchange, listing, behindMarker(marker, listing), (result) => {
    const last = result.entries.at(-1);
    // Without a delimiter the last key is the marker, and S3 does not repeat it.
    const nextMarker = result.truncated && listing.delimiter !== '' ? nameOf(last) : undefined;
    const owner = bucketOwner(exchange);
    const content =
      heading(exchange, listing, result) +
      `<Marker>${encode(marker)}</Marker>` +
      (nextMarker === undefined ? '' : `<NextMarker>${encode(nextMarker)}</NextMarker>`) +
      listedEntries(result.entries, 'objects', encode, owner);
    exchange.replyXml(200, xmlDocument('ListBucketResult', content));
  });
}

export function listObjectsV2(exchange: Exchange): void {
  const { query } = exchange.target;
  const version = query.get('list-type') ?? '';
  if (version !== '2') throw unsupportedValue('list-type', version);
  const startAfter = query.get('start-after');
  const token = query.get('continuation-token');
  const listing = parseListing(query);
  const after =
    token === undefined || token === '' ? behindMarker(startAfter ?? '', listing) : decodeToken(token);
  const { encode } = listing;
  list(exchange, listing, after, (result) => {
    const next = result.truncated ? encodeToken(result) : undefined;
    const owner = query.get('fetch-owner') === 'true' ? bucketOwner(exchange) : '';
    const content =
      heading(exchange, listing, result) +
      element('KeyCount', result.entries.length) +
      (startAfter === undefined ? '' : `<StartAfter>${encode(startAfter)}</StartAfter>`) +
      optionalElement('ContinuationToken', token) +
      optionalElement('NextContinuationToken', next) +
      listedEntries(result.entries, 'objects', encode, owner);
    exchange.replyXml(200, xmlDocument('ListBucketResult', content));
  });
}

function bucketOwner({ context: { options, access }, target }: Exchange): string {
  return ownerElement('Owner', options, access.ownerOf(target.bucket));
}

function parseListing(query: ReadonlyMap<string, string>): Listing {
  const url = wantsUrlEncoding(query);
  return {
    prefix: query.get('prefix') ?? '',
    delimiter: query.get('delimiter') ?? '',
    maxKeys: parseLimit(query, 'max-keys'),
    encode: url ? encodeUrl : escapeXml,
    encoding: url ? element('EncodingType', 'url') : '',
  };
}

const NOTHING: ListObjectsResult = { entries: [], truncated: false };

function list(
  exchange: Exchange,
  listing: Listing,
  startAfter: string,
  render: (result: ListObjectsResult) => void,
): void {
  const { bucket } = exchange.target;
  const { objects } = exchange.context;
  const { prefix, delimiter, maxKeys } = listing;
  // A page of no keys says nothing about the bucket but that it is there.
  const page =
    maxKeys === 0
      ? objects.headBucket(bucket).then(() => NOTHING)
      : objects.listObjects({ bucket, prefix, delimiter, startAfter, maxKeys });
  answer(exchange, page, render);
}

function heading(exchange: Exchange, listing: Listing, result: ListObjectsResult): string {
  const { prefix, delimiter, maxKeys, encode, encoding } = listing;
  return (
    element('Name', exchange.target.bucket) +
    `<Prefix>${encode(prefix)}</Prefix>` +
    (delimiter === '' ? '' : `<Delimiter>${encode(delimiter)}</Delimiter>`) +
    element('MaxKeys', maxKeys) +
    encoding +
    element('IsTruncated', result.truncated)
  );
}

function nameOf(entry: ListEntry | undefined): string | undefined {
  return entry?.kind === 'prefix' ? entry.prefix : entry?.key;
}

/** First characters of a token: what follows is a common prefix to skip, or whatever the engine wants to be given back. */
const BEHIND_PREFIX = 'p';
const BEHIND_KEY = 'k';

function encodeToken({ entries: page, nextStartAfter }: ListObjectsResult): string {
  const last = page.at(-1);
  const text =
    last?.kind === 'prefix' ? BEHIND_PREFIX + last.prefix : BEHIND_KEY + (nextStartAfter ?? last?.key ?? '');
  return Buffer.from(text).toString('base64url');
}

function decodeToken(token: string): string {
  const text = Buffer.from(token, 'base64url').toString('utf8');
  const rest = text.slice(1);
  if (Buffer.from(text).toString('base64url') === token) {
    if (text.startsWith(BEHIND_PREFIX)) return greatestKeyBelow(rest);
    if (text.startsWith(BEHIND_KEY)) return rest;
  }
  throw invalidArgument('The continuation token provided is incorrect', 'continuation-token', token);
}
