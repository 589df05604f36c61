/**
 * What each route is for and what it answers: the part of the API's description that its input schemas do not say.
 * A test refuses a route that is missing here.
 */
import { named, record, SHAPES, type Schema } from './api-schemas.js';
import { LINES_TYPE } from './line-stream.js';

export interface RouteText {
  readonly tag: 'Health' | 'Configuration' | 'Objects' | 'Persisting' | 'Jobs' | 'Log' | 'Mounts' | 'Users';
  readonly summary: string;
  readonly description?: string;
  /** Answers by status; the `default` one is always the error. */
  readonly answers: Readonly<Record<number, Answer>>;
}

interface Answer {
  readonly description: string;
  readonly schema?: Schema;
  /** Where it is not, or not only, JSON. */
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}

const { offset, listOf, text } = SHAPES;
const ANY_OBJECT: Schema = { type: 'object' };
const BINARY: Schema = { type: 'string', contentMediaType: 'application/octet-stream' };

function json(description: string, schema: Schema): Answer {
  return { description, schema };
}

/** One value, or lines when the client accepts them: progress, then the result or an error. */
function job(description: string, result: Schema): Answer {
  const line: Schema = {
    description: 'One line each; the last one has `result` or `error`.',
    oneOf: [record({ progress: ANY_OBJECT }), record({ result }), named('Error')],
  };
  return {
    description: `${description} With \`Accept: ${LINES_TYPE}\` progress comes first, a line each.`,
    content: { 'application/json': { schema: result }, [LINES_TYPE]: { schema: line } },
  };
}

const USER_ANSWER = { 200: json('The user as it is now.', named('User')) };

/** By method and path. */
export const ROUTES: Readonly<Record<string, RouteText>> = {
  'GET /healthz': {
    tag: 'Health',
    summary: 'Whether the process lives',
    description: 'Needs no credentials.',
    answers: { 200: json('It does.', record({ status: text })) },
  },
  'GET /readyz': {
    tag: 'Health',
    summary: 'Whether it serves',
    description: 'Needs no credentials. The state of the UFS is told and does not count.',
    answers: { 200: json('It does.', named('Readiness')), 503: json('It does not.', named('Readiness')) },
  },
  'GET /metrics': {
    tag: 'Health',
    summary: 'Metrics for Prometheus',
    description: 'Any enabled user may read them, with or without grants.',
    answers: { 200: { description: 'Prometheus text format.', content: { 'text/plain': { schema: text } } } },
  },
  'GET /api/v1/openapi.json': {
    tag: 'Health',
    summary: 'This description',
    answers: { 200: json('An OpenAPI 3.1 document.', ANY_OBJECT) },
  },
  'GET /api/v1/status': {
    tag: 'Health',
    summary: 'What the server holds, what is pending, where its log stands',
    answers: { 200: json('The state of this moment.', named('Status')) },
  },
  'GET /api/v1/settings': {
    tag: 'Configuration',
    summary: 'The settings the server runs with, and where each comes from',
    answers: { 200: json('All settings.', record({ settings: listOf(named('Setting')) })) },
  },
  'GET /api/v1/conf': {
    tag: 'Configuration',
    summary: 'The path configuration',
    description: 'The `ETag` is the offset of the control stream that it stands at.',
    answers: { 200: json('The document.', named('PathConfig')) },
  },
  'PUT /api/v1/conf': {
    tag: 'Configuration',
    summary: 'Sets the path configuration',
    description: 'With `If-Match` only when it was not changed since (412).',
    answers: { 200: json('Where it stands in the control stream.', record({ offset })) },
  },
  'GET /api/v1/conf/test': {
    tag: 'Configuration',
    summary: 'The policy and the rule of a path',
    answers: { 200: json('The rule that decides.', named('PathTest')) },
  },
  'GET /api/v1/persist': {
    tag: 'Persisting',
    summary: 'What the UFS has yet to learn, oldest first',
    answers: {
      200: json(
        'A page; pass `nextAfter` as `after` for the next one.',
        record({ entries: listOf(named('PersistEntry')), 'nextAfter?': {} }),
      ),
    },
  },
  'GET /api/v1/async-persist': {
    tag: 'Persisting',
    summary:
      'What the UFS has yet to learn, oldest first: pending, uploading, waiting for a retry, quarantined',
    answers: {
      200: json(
        'A page; pass `nextAfter` as `after` for the next one.',
        record({ entries: listOf(named('PersistEntry')), 'nextAfter?': text }),
      ),
    },
  },
  'GET /api/v1/async-persist/stat': {
    tag: 'Persisting',
    summary: 'The persist state of one object',
    answers: { 200: json('The object.', named('ObjectStat')) },
  },
  'POST /api/v1/async-persist/retry': {
    tag: 'Persisting',
    summary: 'Tries at once what failed or is quarantined, as if it had never failed',
    answers: { 200: json('How many that are.', record({ retried: SHAPES.count })) },
  },
  'POST /api/v1/async-persist/discard': {
    tag: 'Persisting',
    summary: 'Gives up what is not persisted of one object: it is lost for good',
    description: 'Refused without `"confirm": true`, and with `version` when it is another one by now.',
    answers: { 200: json('What was lost.', named('DiscardedPersist')) },
  },
  'GET /api/v1/async-persist/export': {
    tag: 'Persisting',
    summary: 'The bytes of one object that is not persisted',
    description: 'The header `x-headrace-object` says what it is: JSON in base64.',
    answers: {
      200: {
        description: 'The bytes.',
        content: { 'application/octet-stream': { schema: BINARY } },
      },
    },
  },
  'POST /api/v1/flush': {
    tag: 'Persisting',
    summary: 'Waits until what it names is in the UFS',
    answers: {
      200: job('It is.', named('FlushResult')),
      202: json('Not within `timeoutMs`; it goes on all the same.', named('FlushResult')),
      409: json('What is left is for an operator to decide about.', named('FlushResult')),
    },
  },
  'POST /api/v1/async-persist/resolve': {
    tag: 'Persisting',
    summary: 'Decides a conflict with what somebody else put into the UFS',
    answers: { 200: json('It is decided.', ANY_OBJECT) },
  },
  'POST /api/v1/stop': {
    tag: 'Health',
    summary: 'Stops the server, and drains to the UFS before when that is wanted',
    description: 'Answers when all but the closing is done.',
    answers: { 200: job('It is closing.', ANY_OBJECT) },
  },
  'GET /api/v1/objects': {
    tag: 'Objects',
    summary: 'What the cache knows of an object, by query',
    description: 'Takes keys with `..` and `//`, which URLs cannot hold.',
    answers: { 200: json('The object.', named('ObjectStat')) },
  },
  'GET /api/v1/objects/*': {
    tag: 'Objects',
    summary: 'What the cache knows of an object: /<bucket>/<key>',
    answers: { 200: json('The object.', named('ObjectStat')) },
  },
  'GET /api/v1/fs': {
    tag: 'Objects',
    summary: 'Lists buckets or objects, of cache and UFS together',
    answers: {
      200: json(
        'A page; pass `nextStartAfter` as `startAfter` for the next one.',
        record({ entries: listOf(named('FsEntry')), 'nextStartAfter?': text }),
      ),
    },
  },
  'POST /api/v1/free': {
    tag: 'Jobs',
    summary: 'Frees persisted data and abandoned writes; never un-persisted data',
    answers: { 200: job('What was freed.', named('Freed')) },
  },
  'GET /api/v1/jobs': {
    tag: 'Jobs',
    summary: 'Jobs that run, and the newest that have ended',
    answers: { 200: json('The newest first.', record({ jobs: listOf(named('Job')) })) },
  },
  'POST /api/v1/jobs': {
    tag: 'Jobs',
    summary:
      'Begins a job, which goes on after a restart: `load` takes what only the UFS holds into the cache',
    answers: { 201: json('It runs.', named('Job')) },
  },
  'GET /api/v1/jobs/:id': {
    tag: 'Jobs',
    summary: 'One job; as lines, until it has ended',
    answers: { 200: job('How far it is.', named('Job')) },
  },
  'DELETE /api/v1/jobs/:id': {
    tag: 'Jobs',
    summary: 'Cancels a job; what it did stays',
    answers: { 200: json('The job as it ended.', named('Job')) },
  },
  'GET /api/v1/log/head': {
    tag: 'Log',
    summary: 'Where each partition of the log stands',
    answers: { 200: json('All partitions.', record({ heads: listOf(named('LogHead')) })) },
  },
  'GET /api/v1/log': {
    tag: 'Log',
    summary: 'Events of the past',
    description: '410 when `from` is no longer kept.',
    answers: {
      200: json(
        'A page; pass `nextFrom` as `from` for the next one.',
        record({ events: listOf(named('LoggedEvent')), nextFrom: offset, durableOffset: offset }),
      ),
    },
  },
  'GET /api/v1/log/tail': {
    tag: 'Log',
    summary: 'Events as they become durable',
    description: 'Has no end. Without `from` it begins now.',
    answers: {
      200: { description: 'An event a line.', content: { [LINES_TYPE]: { schema: named('LoggedEvent') } } },
    },
  },
  'POST /api/v1/log/verify': {
    tag: 'Log',
    summary: 'Reads every frame again, folds it, and compares with the live state',
    answers: { 200: job('The report.', named('VerifyReport')) },
  },
  'GET /api/v1/log/history': {
    tag: 'Log',
    summary: 'The story of an object, event by event',
    answers: { 200: json('What the log still has of it.', ANY_OBJECT) },
  },
  'GET /api/v1/log/explain': {
    tag: 'Log',
    summary: 'Why an object is, or is not, persisted',
    answers: { 200: json('The state, and the events that led to it.', ANY_OBJECT) },
  },
  'GET /api/v1/log/export': {
    tag: 'Log',
    summary: 'A slice of the log, to be replayed elsewhere',
    answers: {
      200: {
        description: 'As docs/on-disk-format.md says.',
        content: { 'application/octet-stream': { schema: BINARY } },
      },
    },
  },
  'POST /api/v1/fs/usage': {
    tag: 'Objects',
    summary: 'How much lies below a path',
    answers: { 200: job('Sums by the names below it, and in all.', ANY_OBJECT) },
  },
  'POST /api/v1/fs/remove': {
    tag: 'Objects',
    summary: 'Removes an object, or everything below a directory',
    description: 'Asked again, a removal that was broken off goes on.',
    answers: { 200: job('What was removed, and what could not be.', ANY_OBJECT) },
  },
  'GET /api/v1/mounts': {
    tag: 'Mounts',
    summary: 'All mounts',
    answers: { 200: json('All mounts; secrets are masked.', record({ mounts: listOf(named('Mount')) })) },
  },
  'POST /api/v1/mounts': {
    tag: 'Mounts',
    summary: 'Keeps a bucket or a prefix in a UFS of its own',
    answers: { 201: json('It is mounted.', record({ path: text })) },
  },
  'DELETE /api/v1/mounts': {
    tag: 'Mounts',
    summary: 'Undoes a mount',
    description: 'Refused while something below it is not persisted, unless that is drained or given up.',
    answers: { 200: job('It is gone, and with it what the answer counts.', named('MountRemoval')) },
  },
  'GET /api/v1/users': {
    tag: 'Users',
    summary: 'All users',
    answers: { 200: json('Never a secret.', record({ users: listOf(named('User')) })) },
  },
  'POST /api/v1/users': {
    tag: 'Users',
    summary: 'Makes a user with an access key',
    answers: { 201: json('The only time that the secret is told.', named('NewAccessKey')) },
  },
  'GET /api/v1/users/:name': {
    tag: 'Users',
    summary: 'One user',
    answers: { 200: json('The user.', named('User')) },
  },
  'DELETE /api/v1/users/:name': {
    tag: 'Users',
    summary: 'Removes a user, or one of its access keys',
    answers: { 200: json('It is gone.', record({ name: text })) },
  },
  'POST /api/v1/users/:name/rotate': {
    tag: 'Users',
    summary: 'Makes a further access key; those before stay',
    answers: { 201: json('The only time that the secret is told.', named('NewAccessKey')) },
  },
  'POST /api/v1/users/:name/grant': { tag: 'Users', summary: 'Gives rights', answers: USER_ANSWER },
  'POST /api/v1/users/:name/revoke': { tag: 'Users', summary: 'Takes rights away', answers: USER_ANSWER },
  'POST /api/v1/users/:name/enable': {
    tag: 'Users',
    summary: 'Enables a user or one of its access keys',
    answers: USER_ANSWER,
  },
  'POST /api/v1/users/:name/disable': {
    tag: 'Users',
    summary: 'Disables a user or one of its access keys',
    answers: USER_ANSWER,
  },
};

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
  grants: 'RIGHTS:BUCKET[/PREFIX]; rights are read, write, list, admin.',
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
  salt: 'Replaces names of buckets, keys and users by hashes with this salt.',
  startAfter: 'Paths behind this one: `nextStartAfter` of the page before.',
  state: 'Only these.',
  timeoutMs: 'How long to wait, in milliseconds.',
  version: 'Only if this is still the version.',
  to: 'The offset behind the last.',
  ufs: 'A directory, file:///<directory>, or s3://<bucket>/<prefix>.',
  upToOffset: 'Only what was logged up to here: what `x-headrace-offset` of a write says.',
  depth: 'Levels that are told apart.',
  dryRun: 'Only say what would be done.',
};
