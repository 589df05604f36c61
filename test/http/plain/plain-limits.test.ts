import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { MIB } from '../../../src/core/units.js';
import {
  Gate,
  HOST,
  LONG_MS,
  TWICE,
  get,
  goesOn,
  isWhole,
  onBothReads,
  openUnread,
  put,
  until,
} from '../../support/plain-requests.js';
import { codeOf, openRaw, startEndpoint } from '../../support/s3-endpoint.js';

onBothReads('one that waits for its answer to be read is not one that waits for a request', async (t) => {
  const { raw } = await openUnread(t, { keepAliveTimeoutMs: 50 });
  t.ok(await isWhole(raw));
  t.equal((await raw.ended()).length, 0);
});

onBothReads('an answer that nobody reads is given up', async (t) => {
  const { raw } = await openUnread(t, { idleTimeoutMs: 50 });
  await t.rejects(isWhole(raw), { message: /too early/ });
});

onBothReads('an answer that nobody reads is given up, also behind a request that took long', async (t) => {
  const bytes = Buffer.alloc(32 * MIB);
  const { port } = await startEndpoint(t, { options: { idleTimeoutMs: 50 } }, (inner) => ({
    getObject: async (request) => {
      const object = { ...(await inner.headObject(request)), size: bytes.length };
      await setTimeout(200);
      return { object, body: { kind: 'bytes', bytes, release: () => {} } };
    },
  }));
  const raw = openRaw(t, port);
  raw.send(put(2), 'ab');
  t.equal((await raw.answer()).status, 200);
  raw.socket.pause();
  raw.send(get('/bucket/k'));
  await setTimeout(500);
  raw.socket.resume();
  await t.rejects(raw.answer(), { message: /too early/ });
});

onBothReads('once an answer was read the client may wait as long as any', async (t) => {
  const { raw } = await openUnread(t, { idleTimeoutMs: 400, keepAliveTimeoutMs: LONG_MS });
  t.ok(await isWhole(raw));
  await setTimeout(1200);
  await goesOn(t, raw);
});

onBothReads('closing lets an answer that was given go out', async (t) => {
  const { raw, server } = await openUnread(t, {});
  const closed = server.close(LONG_MS);
  t.ok(await isWhole(raw));
  await closed;
});

onBothReads('closing ends what waits, handed over or not, and lets what is busy end', async (t) => {
  const gate = new Gate();
  let begun = 0;
  const { port, server } = await startEndpoint(t, {}, () => ({
    listBuckets: async () => {
      begun++;
      await gate.opened;
      return [];
    },
  }));
  const [plain, handedOver, busyPlain, busyHandedOver, fresh] = Array.from({ length: 5 }, () =>
    openRaw(t, port),
  );
  if (!plain || !handedOver || !busyPlain || !busyHandedOver || !fresh) throw new Error('not five');
  await once(fresh.socket, 'connect');
  for (const [raw, headers] of [
    [plain, HOST],
    [handedOver, TWICE],
  ] as const) {
    raw.send(get('/nobody', headers));
    t.equal((await raw.answer()).status, 404);
  }
  busyPlain.send(get('/'));
  busyHandedOver.send(get('/', TWICE));
  await until(() => begun === 2);
  const closed = server.close(LONG_MS);
  for (const raw of [plain, handedOver, fresh]) t.equal((await raw.ended()).length, 0);
  gate.open();
  for (const raw of [busyPlain, busyHandedOver]) {
    t.match(await raw.answer(), { status: 200, headers: new Map([['connection', 'close']]) });
    t.equal((await raw.ended()).length, 0);
  }
  await closed;
});

onBothReads('one that was used may wait for as long as is set, and no longer', async (t) => {
  const options = { keepAliveTimeoutMs: 60, headersTimeoutMs: LONG_MS, idleTimeoutMs: LONG_MS };
  const { port } = await startEndpoint(t, { options });
  const fresh = openRaw(t, port);
  const used = openRaw(t, port);
  for (let index = 0; index < 5; index++) {
    await goesOn(t, used);
    await setTimeout(30);
  }
  t.equal((await used.ended()).length, 0);
  await goesOn(t, fresh);
});

onBothReads('one that says nothing is told so, and ended', async (t) => {
  const options = { keepAliveTimeoutMs: LONG_MS, headersTimeoutMs: 50, idleTimeoutMs: LONG_MS };
  const { port } = await startEndpoint(t, { options });
  const raw = openRaw(t, port);
  const answer = await raw.answer();
  t.equal(codeOf(answer), 'RequestTimeout');
  t.equal(answer.headers.get('connection'), 'close');
  t.equal((await raw.ended()).length, 0);
});

onBothReads('a body that does not go on is answered, one that was refused is not', async (t) => {
  const { port } = await startEndpoint(t, { options: { idleTimeoutMs: 60 } });
  const raw = openRaw(t, port);
  raw.send(put(1000), 'x');
  await setTimeout(40);
  raw.send('x');
  const answer = await raw.answer();
  t.equal(codeOf(answer), 'RequestTimeout');
  t.equal((await raw.ended()).length, 0);
  const refused = openRaw(t, port);
  refused.send(`PUT /bucket?replication HTTP/1.1\r\n${HOST}Content-Length: 1000\r\n\r\n`);
  t.equal((await refused.answer()).status, 501);
  t.equal((await refused.ended()).length, 0);
});

onBothReads('a request that takes longer than connections may idle is answered', async (t) => {
  const gate = new Gate();
  const options = { keepAliveTimeoutMs: 50, idleTimeoutMs: 50, headersTimeoutMs: 50 };
  const { port } = await startEndpoint(t, { options }, (inner) => ({
    putObject: async (request) => {
      await gate.opened;
      return inner.putObject(request);
    },
  }));
  const raw = openRaw(t, port);
  raw.send(put(2), 'ab');
  await setTimeout(200);
  gate.open();
  t.equal((await raw.answer()).status, 200);
});
