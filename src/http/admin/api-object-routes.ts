/** Descriptions of the routes about objects: what the cache knows of them, how they are persisted, and jobs over many of them. */
import { named, record, SHAPES } from './api-schemas.js';
import { ANY_OBJECT, BINARY, job, json, type RouteText } from './api-text.js';

const { listOf, text } = SHAPES;

/** By method and path. */
export const OBJECT_ROUTES: Readonly<Record<string, RouteText>> = {
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
};
