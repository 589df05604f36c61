/** Who is the same worker, and has its lease back at once: a process on the same data directory of the same machine. */
import t from 'tap';
import { checkWorkerId } from '../../src/core/coordinator.js';
import { bootId } from '../../src/adapters/machine.js';
import { workerIdOf, type WorkerPlace } from '../../src/composition/open-log-store.js';

const STORE_ID = new Uint8Array(16).fill(1);
const PLACE: WorkerPlace = { hostName: 'headrace-0', bootId: 'boot-1', dataDirectory: '/data' };

void t.test('worker id: a process that is started again is the same worker', async (t) => {
  t.equal(workerIdOf(PLACE, STORE_ID), workerIdOf({ ...PLACE }, STORE_ID));
  t.match(workerIdOf(PLACE, STORE_ID), /^w-headrace-0-[0-9a-f]{16}$/);
  checkWorkerId(workerIdOf({ ...PLACE, hostName: `${'ä b'.repeat(100)}` }, STORE_ID));
});

void t.test(
  'worker id: one of the same name on another machine, a copy and another store are others',
  async (t) => {
    const ids = [
      workerIdOf(PLACE, STORE_ID),
      workerIdOf({ ...PLACE, bootId: 'boot-2' }, STORE_ID),
      workerIdOf({ ...PLACE, dataDirectory: '/copy' }, STORE_ID),
      workerIdOf({ ...PLACE, hostName: 'headrace-1' }, STORE_ID),
      workerIdOf(PLACE, new Uint8Array(16)),
    ];
    t.equal(new Set(ids).size, ids.length, ids.join(' '));
  },
);

void t.test('worker id: a machine is told by its boot, where its kernel says', async (t) => {
  const file = t.testdir({ boot_id: '512c4d9c-dec9-47ad-b008-b258939dd50b\n' });
  t.equal(bootId(`${file}/boot_id`), '512c4d9c-dec9-47ad-b008-b258939dd50b');
  t.equal(bootId(`${file}/none`), '');
});
