/**
 * What each route is for and what it answers: the part of the API's description that its input schemas do not say.
 * A test refuses a route that is missing here.
 */
import { OBJECT_ROUTES } from './api-object-routes.js';
import { SERVER_ROUTES } from './api-server-routes.js';
import type { RouteText } from './api-text.js';

/** By method and path. */
export const ROUTES: Readonly<Record<string, RouteText>> = { ...SERVER_ROUTES, ...OBJECT_ROUTES };

/** What a parameter or a member of a body means, whichever route takes it. */
export const PARAMETERS: Readonly<Record<string, string>> = {
  '*': 'The bucket, a slash, and the key, each byte percent-encoded where a URL needs it.',
  accessKeyId: 'Only this access key.',
  after: 'Entries behind this one: `nextAfter` of the page before.',
  at: 'As it stood at this offset of the control stream.',
  bucket: 'Only what is about this bucket.',
  concurrency: 'Objects at once.',
  cause: 'Only what failed so last, as `UFS_DENIED`.',
  confirm: 'It may be lost.',
  data: 'Also read all cached bytes and check their checksums.',
  drain: 'Wait until everything below it is persisted.',
  drainTimeoutMs: 'How long to wait for everything to be in the UFS, in milliseconds.',
  exact: 'The path is one key and not a prefix.',
  force: 'Give up what is not persisted.',
  from: 'The first offset.',
  grants: 'RIGHTS:BUCKET[/PREFIX]; rights are read, write, list, create, admin.',
  id: 'The id of a job.',
  kind: 'What the job does.',
  keep: 'Whose version stays.',
  limit: 'Entries of a page.',
  name: 'The name of a user.',
  options: 'Settings of the connector, by name.',
  partition: '0 carries buckets, mounts, users and configuration; objects follow from 1 on.',
  path: '/<bucket>/<key>, or the beginning of it.',
  prefix: 'Only what is about keys that begin so.',
  reason: 'Why; it is kept in the log.',
  recursive: 'Everything below, not only the next level.',
  show: 'Which part of the state.',
  steps: 'So many events from `until` on; with a minus, those before it.',
  until: 'The first event that is not folded in.',
  salt: 'Replaces names of buckets, keys and users by hashes with this salt.',
  startAfter: 'Paths behind this one: `nextStartAfter` of the page before.',
  state: 'Only these.',
  timeoutMs: 'How long to wait, in milliseconds.',
  version: 'Only if this is still the version.',
  to: 'The offset behind the last.',
  ufs: 'A directory, file:///<directory>, s3://<bucket>/<prefix> or hdfs://<namenode>:<port>/<directory>.',
  upToOffset: 'Only what was logged up to here: what `x-headrace-offset` of a write says.',
  depth: 'Levels that are told apart.',
};
