/**
 * The shapes of the admin API's answers, for its description. They describe and do not filter: what a route answers is sent as
 * it is.
 */

export type Schema = Readonly<Record<string, unknown>>;

const text = { type: 'string' };
const count = { type: 'integer', minimum: 0 };
const flag = { type: 'boolean' };
const timeMs = { type: 'integer', description: 'Milliseconds since the Unix epoch.' };
const bytes = { type: 'integer', minimum: 0, description: 'Bytes.' };
const offset = { type: 'integer', description: 'The ordinal of an event in the log of its partition.' };

function choice(...values: readonly string[]): Schema {
  return { type: 'string', enum: values };
}

function listOf(items: Schema): Schema {
  return { type: 'array', items };
}

/** A reference to one of `ANSWERS`. */
export function named(name: keyof typeof ANSWERS): Schema {
  return { $ref: `${name}#` };
}

/** Members whose name ends with `?` may be absent. */
export function record(members: Readonly<Record<string, Schema>>, description?: string): Schema {
  const entries = Object.entries(members);
  return {
    type: 'object',
    ...(description === undefined ? {} : { description }),
    required: entries.filter(([name]) => !name.endsWith('?')).map(([name]) => name),
    properties: Object.fromEntries(entries.map(([name, schema]) => [name.replace(/\?$/, ''), schema])),
  };
}

const PERSIST_ENTRY = record({
  bucket: text,
  key: text,
  kind: choice('put', 'delete'),
  version: offset,
  size: bytes,
  phase: choice('PENDING', 'UPLOADING', 'WAITING', 'QUARANTINED', 'CONFLICT'),
  sinceMs: timeMs,
  attempt: { ...count, description: 'Attempts that failed.' },
  'nextAttemptAtMs?': timeMs,
  'cause?': { ...text, description: 'The code of the last failure.' },
  'message?': text,
  'uploadedBytes?': { ...bytes, description: 'What the UFS holds already of a large object.' },
});

const LOG_HEAD = record({
  partition: count,
  epoch: count,
  oldestOffset: offset,
  durableOffset: { ...offset, description: 'Everything below it is durable.' },
  checkpointOffset: offset,
});

const RULE = record({
  policyMode: choice('WRITE_THROUGH', 'WRITE_BACK', 'TRANSIENT', 'READ_ONLY', 'NO_CACHE'),
  'path?': text,
  'description?': text,
  'properties?': { type: 'object' },
});

const USER = record({
  name: text,
  enabled: flag,
  createdMs: timeMs,
  keys: listOf(record({ id: text, enabled: flag, createdMs: timeMs })),
  grants: listOf({ ...text, description: 'RIGHTS:BUCKET[/PREFIX]' }),
});

const MOUNT = record({
  path: text,
  ufs: text,
  options: { type: 'object', additionalProperties: text, description: 'Secret ones are masked.' },
});

const JOB = record({
  id: text,
  kind: choice('load'),
  path: text,
  concurrency: count,
  state: choice('RUNNING', 'DONE', 'FAILED', 'CANCELLED'),
  startedMs: timeMs,
  'endedMs?': timeMs,
  cursor: { ...text, description: 'All keys up to here were seen.' },
  objects: count,
  bytes,
  skippedObjects: { ...count, description: 'Were there already, or are not to be cached.' },
  skippedBytes: bytes,
  failedObjects: count,
  'totalObjects?': { ...count, description: 'Absent while it is being counted.' },
  'totalBytes?': bytes,
  'message?': text,
});

const FLUSH_PROGRESS = {
  objects: count,
  bytes,
  persistedObjects: count,
  persistedBytes: bytes,
  blockedObjects: count,
  counting: flag,
  elapsedMs: count,
  'oldest?': { type: 'object', description: 'The oldest that waits, and why.' },
};

const LATENCY = record({ count, meanMs: { type: 'number' }, p99Ms: { type: 'number' } }, 'Since the start.');

export const ANSWERS = {
  Error: record(
    {
      error: record({
        code: { ...text, description: 'Stable; for programs.' },
        message: { ...text, description: 'What was wrong, and what would be right.' },
        'requestId?': { ...text, description: 'Also in the lines of the log about this request.' },
      }),
    },
    'What went wrong.',
  ),
  Readiness: record({
    ready: flag,
    'reason?': text,
    checks: { type: 'object', additionalProperties: text, description: '`ok`, or what is wrong.' },
    ufs: listOf(record({ mount: text, ufs: text, up: flag })),
  }),
  Status: record({
    version: text,
    startedMs: timeMs,
    dataDirectory: text,
    ufs: text,
    capacityBytes: bytes,
    usedBytes: bytes,
    pinnedBytes: bytes,
    pinnedLimitBytes: bytes,
    budgets: listOf(record({ rule: text, pinnedBytes: bytes, limitBytes: bytes })),
    objects: count,
    pendingObjects: count,
    quarantinedObjects: count,
    'oldestPendingMs?': timeMs,
    openWrites: count,
    log: listOf(LOG_HEAD),
    'logBackend?': record(
      {
        description: text,
        reads: LATENCY,
        commits: LATENCY,
        errors: {
          type: 'object',
          additionalProperties: count,
          description: 'By code; most were tried again.',
        },
      },
      'A log that is not on the disk.',
    ),
  }),
  Setting: record({
    key: text,
    value: { ...text, description: 'Secrets are masked.' },
    default: text,
    source: text,
    environment: text,
    allowed: text,
    description: text,
  }),
  PathConfig: record({
    apiVersion: text,
    defaultRule: RULE,
    pathRules: listOf(RULE),
  }),
  PathTest: record({ path: text, policyMode: text, rule: RULE, matched: text }),
  PersistEntry: PERSIST_ENTRY,
  ObjectStat: record({
    bucket: text,
    key: text,
    version: offset,
    size: bytes,
    etag: text,
    lastModifiedMs: timeMs,
    policy: text,
    state: { ...text, description: 'PENDING, PERSISTED, TRANSIENT, QUARANTINED or DELETING.' },
    'persist?': PERSIST_ENTRY,
    'ufsEtag?': text,
    'offset?': text,
    'ack?': choice('fsynced', 'persisted'),
    'ufs?': record({ mount: text, store: text, bucket: text, key: text, present: { type: 'boolean' } }),
    extents: listOf(record({ segment: count, position: count, size: bytes, checksum: text })),
  }),
  DiscardedPersist: record({
    bucket: text,
    key: text,
    version: offset,
    kind: choice('put', 'delete'),
    size: bytes,
    'etag?': text,
    lastModifiedMs: timeMs,
    reason: text,
    ufs: {
      description: 'What readers get from now on: ABSENT, UNKNOWN, or size and ETag of what the UFS holds.',
      oneOf: [choice('ABSENT', 'UNKNOWN'), record({ size: bytes, etag: text })],
    },
  }),
  FsEntry: record({ path: text, directory: flag, size: bytes, lastModifiedMs: timeMs, persisted: flag }),
  Freed: record({ objects: count, bytes, abandonedWrites: count }),
  FlushResult: record({
    outcome: choice('PERSISTED', 'BLOCKED', 'TIMEOUT', 'CANCELLED'),
    ...FLUSH_PROGRESS,
    blocked: listOf(record({ bucket: text, key: text, version: offset, cause: text, message: text })),
    'isEmpty?': { ...flag, description: 'Nothing waited, and nothing is stored at the path.' },
  }),
  LogHead: LOG_HEAD,
  LoggedEvent: record({
    partition: count,
    offset,
    epoch: count,
    event: record({ type: text, 'atMs?': timeMs }, 'Its members depend on its type: see log/events.proto.'),
  }),
  VerifyReport: record({
    ok: flag,
    frames: count,
    events: count,
    fromOffset: offset,
    toOffset: offset,
    stateHash: text,
    refoldedHash: text,
    extents: count,
    extentBytes: bytes,
    problems: listOf(text),
  }),
  Mount: MOUNT,
  MountRemoval: record({ path: text, lostObjects: count, lostBytes: bytes, lostDeletes: count }),
  Job: JOB,
  User: USER,
  NewAccessKey: record({
    user: USER,
    accessKeyId: text,
    secretAccessKey: { ...text, description: 'Told here and nowhere else.' },
  }),
} as const satisfies Readonly<Record<string, Schema>>;

export const SHAPES = { text, count, flag, offset, listOf };
