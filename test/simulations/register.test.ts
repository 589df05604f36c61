/** The search for an order of calls: what it must accept, and what it must not. */
import t from 'tap';
import { ABSENT, READ, Register, type Effect } from '../../simulations/checkers/register.js';

const put =
  (value: string): Effect =>
  () => ({ value, result: 'ok' });
const create =
  (value: string): Effect =>
  (held) =>
    held === ABSENT ? { value, result: 'ok' } : { value: held, result: 'refused' };

void t.test('register: a read that overlaps a write may see it or not', async (t) => {
  for (const seen of [ABSENT, '"a"']) {
    const register = new Register();
    register.begin(1, put('"a"'));
    register.begin(2, READ);
    t.ok(register.end(1, 'ok'));
    t.ok(register.end(2, seen), seen);
  }
});

void t.test('register: a read after a write must see it', async (t) => {
  const register = new Register();
  register.begin(1, put('"a"'));
  t.ok(register.end(1, 'ok'));
  register.begin(2, READ);
  t.notOk(register.end(2, ABSENT));
});

void t.test('register: two reads must not see two writes in opposite orders', async (t) => {
  const register = new Register();
  register.begin(1, put('"a"'));
  register.begin(2, put('"b"'));
  for (const [call, seen] of [
    [3, '"a"'],
    [4, '"b"'],
  ] as const) {
    register.begin(call, READ);
    t.ok(register.end(call, seen));
  }
  register.begin(5, READ);
  t.notOk(register.end(5, '"a"'), 'each write takes effect once');
});

void t.test('register: of two conditional writes at once one succeeds', async (t) => {
  const register = new Register();
  register.begin(1, create('"a"'));
  register.begin(2, create('"b"'));
  t.ok(register.end(1, 'ok'));
  t.notOk(register.end(2, 'ok'));
  const fair = new Register();
  fair.begin(1, create('"a"'));
  fair.begin(2, create('"b"'));
  t.ok(fair.end(1, 'ok'));
  t.ok(fair.end(2, 'refused'));
});

void t.test(
  'register: a write without an answer may take effect late, and once its process is gone never more',
  async (t) => {
    const register = new Register();
    register.begin(1, put('"a"'));
    register.begin(2, put('"b"'));
    t.ok(register.end(2, 'ok'));
    register.begin(3, READ);
    t.ok(register.end(3, '"b"'));
    register.begin(4, READ);
    t.ok(register.end(4, '"a"'), 'the first one came after all');
    register.begin(5, put('"c"'));
    register.retire();
    t.same([...register.values].sort(), ['"a"', '"c"']);
  },
);

void t.test('register: a write that was refused has no effect', async (t) => {
  const register = new Register();
  register.begin(1, put('"a"'));
  register.begin(2, READ);
  t.ok(register.cancel(1));
  t.notOk(register.end(2, '"a"'));
});
