/** Descriptions of the routes about the server: its health and configuration, its log, mounts and users. */
import { named, record, SHAPES } from './api-schemas.js';
import { ANY_OBJECT, BINARY, job, json, type RouteText } from './api-text.js';
import { LINES_TYPE } from './line-stream.js';

const { offset, listOf, text } = SHAPES;
const USER_ANSWER = { 200: json('The user as it is now.', named('User')) };

/** By method and path. */
export const SERVER_ROUTES: Readonly<Record<string, RouteText>> = {
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
  'POST /api/v1/stop': {
    tag: 'Health',
    summary: 'Stops the server, and drains to the UFS before when that is wanted',
    description: 'Answers when all but the closing is done.',
    answers: { 200: job('It is closing.', ANY_OBJECT) },
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
  'GET /api/v1/log/replay': {
    tag: 'Log',
    summary: 'A state that is past, a part of it, or what changed between two',
    description:
      'One at a time (503 with `Retry-After`), beside what clients ask for, for at most 60 s, and as long as the client waits. With `until` the state ' +
      'before that event, else that of now: counts, or the rows of `show`, at most `limit`. With `from` and `to` what changed between these ' +
      'offsets; with `steps` what each of so many events did, from `until` on or, with a minus, before it. 410 for an offset that cannot be had any more.',
    answers: { 200: json('Where it was folded from, and what was asked for.', ANY_OBJECT) },
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
