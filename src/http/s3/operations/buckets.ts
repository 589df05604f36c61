/** ListBuckets, CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation, GetBucketVersioning. */
import { isErrorCode } from '../../../core/errors.js';
import {
  BUCKET_ACL,
  formatAccessList,
  sharesWithOthers,
  type AccessList,
} from '../../../engine/access-list.js';
import { OBJECT_OWNERSHIPS, OWNERSHIP_CONTROLS } from '../../../engine/bucket-sharing.js';
import { BUCKET_LOCATION, type BucketSummary } from '../../../engine/object-service.js';
import { RULE_BUCKET } from '../../auth/permissions.js';
import { answer } from '../answer.js';
import { isAllowed } from '../authorize.js';
import { listOfHeaders } from '../access-lists.js';
import { parseCopySource } from '../copy-source.js';
import type { Exchange } from '../exchange.js';
import { checkBucketHeaders } from '../object-headers.js';
import { parseNumber } from '../parameters.js';
import { hasBody, receiveXml } from '../receive-body.js';
import { invalidArgument, notImplemented, S3Error } from '../s3-error.js';
import { formatXmlDate } from '../timestamps.js';
import { childText } from '../xml-reader.js';
import type { XmlElement } from '../xml-reader.js';
import { element, optionalElement, xmlDocument } from '../xml-writer.js';
import { ownerElement } from './owner.js';

const BUCKETS_MAX = 10_000;

export function listBuckets(exchange: Exchange): void {
  const { query } = exchange.target;
  const prefix = query.get('prefix') ?? '';
  const region = query.get('bucket-region');
  const after = query.get('continuation-token') ?? '';
  const limit = parseNumber(query, 'max-buckets', 1, BUCKETS_MAX) ?? BUCKETS_MAX;
  const { options, objects, access } = exchange.context;
  if (!access.open && exchange.identity.user === undefined) throw new S3Error('AccessDenied');
  answer(exchange, objects.listBuckets(), (all) => {
    const regional = visible(exchange, all).filter(
      ({ location = options.region }) => region === undefined || location === region,
    );
    // Names are ASCII, so that the order of JavaScript is theirs.
    const rest = regional
      .filter(({ name }) => name.startsWith(prefix) && name > after)
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const page = rest.slice(0, limit);
    const next = rest.length > page.length ? page.at(-1)?.name : undefined;
    const content =
      ownerElement('Owner', options, exchange.identity.user) +
      `<Buckets>${page.map(bucketElement).join('')}</Buckets>` +
      optionalElement('ContinuationToken', next) +
      optionalElement('Prefix', query.get('prefix'));
    exchange.replyXml(200, xmlDocument('ListAllMyBucketsResult', content));
  });
}

/** The buckets in which the one who asks may do something. */
function visible(exchange: Exchange, all: readonly BucketSummary[]): readonly BucketSummary[] {
  const { access } = exchange.context;
  if (access.open) return all;
  return all.filter(({ name }) => access.lists(exchange.identity.user, name));
}

function bucketElement({ name, createdMs }: BucketSummary): string {
  return `<Bucket>${element('Name', name)}${element('CreationDate', formatXmlDate(createdMs))}</Bucket>`;
}

export function createBucket(exchange: Exchange): void {
  checkBucketHeaders(exchange.headers);
  const owner = exchange.identity.user;
  const list = listOfHeaders(exchange, exchange.headers, { owner: undefined, bucketOwner: owner });
  const documents = documentsOf(exchange, list);
  if (!hasBody(exchange)) {
    create(exchange, documents);
    return;
  }
  receiveXml(exchange, {}, (root) => {
    const region = locationOf(root);
    if (region !== '') documents.set(BUCKET_LOCATION, region);
    create(exchange, documents);
  });
}

/** What headers say about a new bucket, by the names of its documents. */
function documentsOf({ headers }: Exchange, list: AccessList | undefined): Map<string, string> {
  const documents = new Map<string, string>();
  const kept = list === undefined ? '' : formatAccessList(list);
  if (kept !== '') documents.set(BUCKET_ACL, kept);
  const ownership = headers['x-amz-object-ownership'];
  if (ownership === undefined) return documents;
  const known = OBJECT_OWNERSHIPS.find((one) => one === ownership);
  if (known === undefined)
    throw invalidArgument(
      'Invalid x-amz-object-ownership header',
      'x-amz-object-ownership',
      String(ownership),
    );
  if (known === 'BucketOwnerEnforced' && list !== undefined && sharesWithOthers(list))
    throw new S3Error('InvalidBucketAclWithObjectOwnership');
  return documents.set(OWNERSHIP_CONTROLS, known);
}

function create(exchange: Exchange, documents: ReadonlyMap<string, string>): void {
  const { bucket } = exchange.target;
  const { objects } = exchange.context;
  const created = objects.createBucket(bucket, exchange.identity.user).then(
    async () => {
      for (const [name, document] of documents) await objects.setBucketDocument(bucket, name, document);
    },
    (error: unknown) => {
      if (!isErrorCode(error, 'BUCKET_EXISTS')) throw error;
      return createAgain(exchange, documents);
    },
  );
  answer(exchange, created, () => {
    const headers = exchange.startHeaders();
    headers.push('Location', `/${bucket}`);
    exchange.reply(200, headers);
  });
}

/**
 * Only the first region lets an owner create a bucket again (S3 API reference, CreateBucket). It stays as it is: S3 gives it the access
 * control list of the request, which takes from others what nobody who just makes sure that his bucket is there means to take; so
 * a request that would share it otherwise than it is shared is refused, and one that names nothing or `private` is not. Throws
 * BucketAlreadyExists, BucketAlreadyOwnedByYou.
 */
async function createAgain(exchange: Exchange, documents: ReadonlyMap<string, string>): Promise<void> {
  const { access, options, objects } = exchange.context;
  const { bucket } = exchange.target;
  const { user } = exchange.identity;
  const owner = access.ownerOf(bucket);
  const own =
    access.open || (owner === undefined ? isAllowed(exchange, RULE_BUCKET, bucket, '') : owner === user);
  if (!own) throw new S3Error('BucketAlreadyExists');
  if (options.region !== 'us-east-1') throw new S3Error('BucketAlreadyOwnedByYou');
  for (const name of [BUCKET_ACL, OWNERSHIP_CONTROLS]) {
    const asked = documents.get(name);
    if (asked === undefined || asked === (await objects.bucketDocument(bucket, name))) continue;
    throw new S3Error(
      'BucketAlreadyExists',
      'You own the bucket, and it has another access control list or object ownership than this request asks for.',
    );
  }
}

/** Any region is accepted, and told again: a bucket is where the server is, whatever clients call the place. '' for none. */
function locationOf(root: XmlElement): string {
  if (root.name !== 'CreateBucketConfiguration') throw new S3Error('MalformedXML');
  for (const { name } of root.children)
    if (name !== 'LocationConstraint')
      throw notImplemented(`The element ${name} in a CreateBucketConfiguration`);
  const region = childText(root, 'LocationConstraint')?.trim() ?? '';
  if (!/^[a-zA-Z\d-]{0,64}$/.test(region))
    throw new S3Error('InvalidLocationConstraint', undefined, { elements: { LocationConstraint: region } });
  return region;
}

export function headBucket(exchange: Exchange): void {
  const { objects, options } = exchange.context;
  answer(exchange, objects.headBucket(exchange.target.bucket), ({ location = options.region }) => {
    const headers = exchange.startHeaders();
    headers.push('x-amz-bucket-region', location, 'Content-Type', 'application/xml');
    exchange.reply(200, headers);
  });
}

export function deleteBucket(exchange: Exchange): void {
  answer(exchange, exchange.context.objects.deleteBucket(exchange.target.bucket), () => {
    exchange.reply(204, exchange.startHeaders());
  });
}

export function getBucketLocation(exchange: Exchange): void {
  const { objects, options } = exchange.context;
  // The first region has no name here, unless a client gave it one.
  const own = options.region === 'us-east-1' ? '' : options.region;
  answer(exchange, objects.headBucket(exchange.target.bucket), ({ location = own }) => {
    exchange.replyXml(200, xmlDocument('LocationConstraint', location));
  });
}

/** Versioning was never switched on, which S3 says with an empty configuration. */
export function getBucketVersioning(exchange: Exchange): void {
  answer(exchange, exchange.context.objects.headBucket(exchange.target.bucket), () => {
    exchange.replyXml(200, xmlDocument('VersioningConfiguration', ''));
  });
}

const EXPECTED_OWNER = 'x-amz-expected-bucket-owner';
const EXPECTED_SOURCE_OWNER = 'x-amz-source-expected-bucket-owner';

/** Refuses an account that is not the owner of the bucket. */
export function checkExpectedOwner(exchange: Exchange): void {
  // Asked of every request, and in hardly any: each by its name, which costs least.
  const { headers, target } = exchange;
  if (headers[EXPECTED_OWNER] !== undefined) checkOwner(exchange, EXPECTED_OWNER, target.bucket);
  if (headers[EXPECTED_SOURCE_OWNER] !== undefined)
    checkOwner(exchange, EXPECTED_SOURCE_OWNER, parseCopySource(headers).bucket);
}

function checkOwner(exchange: Exchange, name: string, bucket: string): void {
  const { access, options } = exchange.context;
  const expected = exchange.headers[name];
  if (expected === (access.ownerOf(bucket) ?? options.ownerId)) return;
  if (expected === '') throw invalidArgument('The value cannot be empty.', name, '');
  throw new S3Error('AccessDenied');
}
