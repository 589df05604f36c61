/**
 * The same bytes to two equal servers: on a connection that node:http was given before, and on one where what is plain goes past
 * it. Whatever comes back, what is stored, and whether the connection is closed has to be the same.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate as turn, setTimeout } from 'node:timers/promises';
import fc from 'fast-check';
import t from 'tap';
import { edits } from '../../support/http-heads.js';
import { FixedClock } from '../../support/fixed-clock.js';
import { readByNode } from '../../support/node-reading.js';
import { startEndpoint, type S3Endpoint } from '../../support/s3-endpoint.js';

const RUNS = Number(process.env['HEADRACE_TEST_RUNS'] ?? 200);
const SEED = Number(process.env['HEADRACE_TEST_SEED'] ?? 1);
const NOW_MS = Date.UTC(2026, 0, 2);
const KEYS = ['k0', 'k1', 'd/k2'];
/** Nothing comes for as many turns of a millisecond: nothing more will. */
const QUIET_TURNS = 8;

interface Message {
  readonly head: string;
  readonly body: string;
}

interface Scenario {
  readonly bytes: string;
  /** Where the bytes are cut into writes, as parts of the whole. */
  readonly cuts: readonly number[];
  /** The client closes its side behind the last of them. */
  readonly ends: boolean;
}

const key = fc.constantFrom(...KEYS);
const smallBody = fc.oneof(
  fc.constantFrom('', 'a', '\r\n', '\r\n\r\n', 'GET / HTTP/1.1\r\n\r\n', 'x'.repeat(3000)),
  fc.string({ maxLength: 20 }),
);
const largeBody = fc.constantFrom(70_000, 200_000, 262_144, 300_000).map((size) => 'large '.repeat(size / 6));
const body = fc.oneof({ weight: 8, arbitrary: smallBody }, { weight: 1, arbitrary: largeBody });
const headers = fc.subarray(
  [
    'Content-Type: text/plain',
    'x-amz-meta-a: gr\xfcn',
    'Connection: keep-alive',
    'Accept-Encoding: identity',
    'If-None-Match: *',
    'x-amz-acl: nobody',
    'Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==',
    'Content-MD5: nonsense',
    'x-amz-checksum-crc32: AAAAAA==',
    'x-amz-decoded-content-length: 5',
    'Content-Encoding: aws-chunked',
    'Expect: 100-continue',
  ],
  { maxLength: 3 },
);
const few = fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, headers);

function message(line: string, lines: readonly string[], body?: string): Message {
  const length = body === undefined ? [] : [`Content-Length: ${body.length}`];
  return {
    head: [`${line} HTTP/1.1`, 'Host: a', ...lines, ...length, '', ''].join('\r\n'),
    body: body ?? '',
  };
}

function deletion(keys: readonly string[], quiet: boolean): Message {
  const objects = keys.map((name) => `<Object><Key>${name}</Key></Object>`).join('');
  const document = `<Delete>${quiet ? '<Quiet>true</Quiet>' : ''}${objects}</Delete>`;
  const md5 = createHash('md5').update(document).digest('base64');
  return message('POST /bucket?delete', [`Content-MD5: ${md5}`], document);
}

const request = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(key, few, body)
      .map(([name, all, bytes]) => message(`PUT /bucket/${name}`, all, bytes)),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(key, few, fc.constantFrom('', 'bytes=0-1', 'bytes=-2', 'bytes=9-', 'bytes=x'))
      .map(([name, all, range]) =>
        message(`GET /bucket/${name}`, range === '' ? all : [...all, `Range: ${range}`]),
      ),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom('HEAD', 'DELETE'), key, few)
      .map(([method, name, all]) => message(`${method} /bucket/${name}`, all)),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.constantFrom('GET', 'HEAD', 'DELETE', 'POST'),
        fc.constantFrom('/bucket/k0', '/bucket/none', '/bucket', '/', '/nobody', '/bucket?versioning'),
        few,
        body,
      )
      .map(([method, target, all, bytes]) => message(`${method} ${target}`, all, bytes)),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(
        fc.constantFrom(
          '/nobody?replication',
          '/bucket?replication',
          `/bucket/${'x'.repeat(1025)}`,
          '/nobody/k',
        ),
        few,
        body,
      )
      .map(([target, all, bytes]) => message(`PUT ${target}`, all, bytes)),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(
        'PUT /bucket/k0',
        'POST /bucket?delete',
        'GET /bucket?list-type=2',
        'GET /bucket?delimiter=/',
        'GET /',
      )
      .map((line) => message(line, [])),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.subarray(KEYS), fc.boolean()).map(([keys, quiet]) => deletion(keys, quiet)),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(
        message('PUT /bucket/k0', ['Transfer-Encoding: chunked']),
        message('OPTIONS /bucket/k0', []),
        message('GET /bucket/k0', ['x-twice: 1', 'x-twice: 2']),
      )
      .map(({ head }) => ({ head, body: head.includes('chunked') ? '2\r\nab\r\n0\r\n\r\n' : '' })),
  },
);

const edited = fc
  .tuple(request, fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, edits))
  .map(([{ head, body }, edit]) => (edit === undefined ? head : edit(head)) + body);

/** A client that wants no more says so with its last request: what is behind is nothing that anybody has to read. */
const farewell = fc.constantFrom('', '', '', message('GET /bucket/k0', ['Connection: close']).head);

const scenario: fc.Arbitrary<Scenario> = fc.record({
  bytes: fc
    .tuple(fc.array(edited, { minLength: 1, maxLength: 5 }), farewell)
    .map(([all, last]) => all.join('') + last),
  cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 }),
  ends: fc.boolean(),
});

interface Outcome {
  readonly answers: readonly string[];
  readonly closed: boolean;
  readonly reset: boolean;
  readonly stored: readonly string[] | undefined;
}

class Client {
  readonly #socket: Socket;
  received = '';
  closed = false;
  /** Answers may have been lost: the server closed while the client was sending. */
  reset = false;
  #events = 0;

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (text: string) => {
      this.received += text;
      this.#events++;
    });
    this.#socket.on('end', () => (this.closed = true));
    this.#socket.on('error', () => (this.reset = true));
    this.#socket.on('close', () => (this.closed = true));
  }

  /** Sends a first request, and forgets its answer. */
  async open(bytes: string): Promise<void> {
    await once(this.#socket, 'connect');
    this.#socket.write(bytes);
    while (!this.received.includes('</ListAllMyBucketsResult>')) await turn();
    this.received = '';
  }

  async play({ bytes, cuts, ends }: Scenario): Promise<void> {
    const places = cuts.map((cut) => Math.floor(cut * bytes.length)).toSorted((a, b) => a - b);
    let from = 0;
    for (const to of [...places, bytes.length]) {
      if (from > 0) await setTimeout(1);
      if (to > from && !this.#socket.destroyed) this.#socket.write(bytes.slice(from, to), 'latin1');
      from = to;
    }
    if (ends && !this.#socket.destroyed) this.#socket.end();
    await this.#quiet();
    this.#socket.destroy();
  }

  async #quiet(): Promise<void> {
    let events = -1;
    let turns = 0;
    while (turns < QUIET_TURNS) {
      turns = events === this.#events ? turns + 1 : 0;
      events = this.#events;
      await setTimeout(1);
    }
  }
}

/** Whether a refused body without a length has come to its end, so that the connection goes on, is a matter of time. */
const CHUNKED = /^transfer-encoding:/im;
const HEAD = /HTTP\/1\.1 \d{3} [^\r]*\r\n(?:[^\r]+\r\n)*\r\n/g;
const OWN = /^(x-amz-request-id|x-amz-id-2|Date|Last-Modified|x-headrace-[^:]*): .*$/i;
const KEPT = /^(?:Connection|Keep-Alive): .*\r\n/gm;
const OWN_ELEMENTS = /<(RequestId|HostId|LastModified|CreationDate)>[^<]*</g;

/**
 * A read that node:http's parser gives up on takes with it those of its requests whose bodies were not handed out, and makes
 * the answer that is being given the last.
 */
const GAVE_UP = 'An error occurred when parsing the HTTP request';

/** What came back but for what is never the same twice; once a client has ended, whether it is told so is a matter of time. */
function comparable(received: string, ends: boolean): string[] {
  const answers = received.replace(OWN_ELEMENTS, '<$1><').replace(HEAD, (head) => {
    const [status, ...lines] = head.trimEnd().split('\r\n');
    const named = lines.map((line) => line.replace(OWN, '$1'));
    const sorted = [status, ...named.toSorted(), '', ''].join('\r\n');
    return ends ? sorted.replace(KEPT, '') : sorted;
  });
  return answers.split(/(?=HTTP\/1\.1 \d{3} )/).filter((answer) => answer !== '');
}

function gaveUp(answer: string): boolean {
  return answer.includes(GAVE_UP);
}

function inCommon(...all: readonly (readonly string[])[]): [string[], string[]] {
  const understood = all.map((answers) => answers.filter((answer) => !gaveUp(answer)));
  const count = Math.min(...understood.map(({ length }) => length));
  const [ours = [], theirs = []] = understood.map((answers) =>
    answers.slice(0, count).map((answer) => answer.replace(KEPT, '')),
  );
  return [ours, theirs];
}

const EVERYTHING = { prefix: '', delimiter: '', startAfter: '', maxKeys: 1000 };

/** All that is there, so that nothing is. */
async function takeAll({ objects }: S3Endpoint): Promise<string[]> {
  const all: string[] = [];
  for (const { name: bucket } of await objects.listBuckets()) {
    const { entries } = await objects.listObjects({ bucket, ...EVERYTHING });
    const keys = entries.flatMap((entry) => (entry.kind === 'object' ? [entry.key] : []));
    for (const name of keys) {
      const { etag, headers: kept } = await objects.headObject({ bucket, key: name });
      all.push(JSON.stringify([bucket, name, etag, kept]));
    }
    await objects.deleteObjects(bucket, keys);
    await objects.deleteBucket(bucket);
  }
  return all;
}

void t.test('differential: past node:http everything is as with it', async (t) => {
  const parts = { clock: new FixedClock(NOW_MS) };
  const [ours, node] = [await startEndpoint(t, parts), await startEndpoint(t, parts)];
  await Promise.all([takeAll(ours), takeAll(node)]);
  const play = async (endpoint: S3Endpoint, first: string, played: Scenario): Promise<Outcome> => {
    await endpoint.objects.createBucket('bucket');
    const client = new Client(endpoint.port);
    await client.open(`GET / HTTP/1.1\r\nHost: a\r\n${first}\r\n`);
    await client.play(played);
    const answers = comparable(client.received, played.ends);
    // node:http goes on with what it has read behind the last answer, and should not (RFC 9112, section 9.6).
    const isLast = client.received.includes('Connection: close');
    const stored = await takeAll(endpoint);
    return { answers, closed: client.closed, reset: client.reset, stored: isLast ? undefined : stored };
  };
  const property = fc.asyncProperty(scenario, async (played) => {
    const [actual, expected] = await Promise.all([
      play(ours, '', played),
      play(node, 'x-twice: 1\r\nx-twice: 2\r\n', played),
    ]);
    const { failed } = await readByNode(Buffer.from(played.bytes, 'latin1'));
    const varies = failed || actual.reset || expected.reset || CHUNKED.test(played.bytes);
    if (!varies) assert.deepEqual(actual, expected);
    else assert.deepEqual(...inCommon(actual.answers, expected.answers));
    if (failed) assert.deepEqual([actual.closed, expected.closed], [true, true]);
  });
  await t.resolves(fc.assert(property, { numRuns: RUNS, seed: SEED }));
});
