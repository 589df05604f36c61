import t from 'tap';
import { eventToJson } from '../../log/event-json.js';
import { FULL_EVENTS } from './sample-events.js';

void t.test('event JSON: every event can be written as JSON, checksums as 16 hex digits', async (t) => {
  for (const event of Object.values(FULL_EVENTS)) {
    const json = JSON.parse(JSON.stringify(eventToJson(event))) as Record<string, unknown>;
    t.equal(json.type, event.type);
    t.equal(json.atMs, event.atMs);
  }
  const moved = eventToJson(FULL_EVENTS.ExtentsMoved);
  t.strictSame(moved.from, [{ segment: 17, position: 4096, size: 10_240, checksum: 'fedcba9876543210' }]);
  t.match(moved.to, [{ checksum: '0000000000000001' }]);
});

void t.test('event JSON: what is absent stays absent, and metadata named __proto__ stays data', async (t) => {
  const user = JSON.parse('{"__proto__":"x"}') as Record<string, string>;
  const json = eventToJson({
    ...FULL_EVENTS.UploadOpened,
    headers: { system: {}, user },
    checksumType: undefined as never,
  });
  t.notOk('checksumType' in json);
  t.match(JSON.stringify(json), /"user":\{"__proto__":"x"\}/);
});
