import t from 'tap';
import { createProcessLog, describeError, toText } from '../../src/adapters/process-log.js';
import { HeadraceError } from '../../src/core/errors.js';

void t.test('process log: text has time, level, message and fields, on one line', async (t) => {
  const lines: string[] = [];
  const logger = createProcessLog({ level: 'info', format: 'text', writeText: (line) => lines.push(line) });
  logger.debug({}, 'not shown');
  logger.warn({ bucket: 'b', key: 'a key', attempt: 2 }, 'a persist failed');
  t.equal(lines.length, 1);
  t.match(lines[0], /^\d\d:\d\d:\d\d\.\d{3}  warn   a persist failed  bucket=b  key="a key"  attempt=2\n$/);
});

void t.test('process log: nothing from outside can make a line or move a terminal', async (t) => {
  const evil = 'k\n{"level":50}\r\u001b[2J\u009b1m\u2028\u202e\u007f';
  const lines: string[] = [];
  const logger = createProcessLog({ level: 'info', format: 'text', writeText: (line) => lines.push(line) });
  logger.error({ key: evil, error: new Error(evil), [evil]: 1 }, evil);
  t.equal(lines.length, 1);
  t.notMatch(lines[0]?.slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u2028\u202e]/);
  const refused = new HeadraceError('UFS_DENIED', `no ${evil}`, { cause: new Error('x') });
  logger.warn({ error: refused }, 'a persist failed');
  t.match(lines[1], /  error="UFS_DENIED: no k[^{]*\{\\"level/);
  t.notMatch(lines[1]?.slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u2028\u202e]/);
  t.notMatch(toText(evil), /[\u0000-\u001f\u007f-\u009f\u2028\u202e]/);
});

void t.test('process log: an error with a code comes without a stack and with its causes', async (t) => {
  const cause = Object.assign(new Error('connect ECONNREFUSED'), {
    code: 'ECONNREFUSED',
    syscall: 'connect',
  });
  const error = new HeadraceError('UFS_UNAVAILABLE', 'no answer', { cause, details: { retryAfterMs: 5 } });
  t.same(describeError(error), {
    code: 'UFS_UNAVAILABLE',
    message: 'no answer',
    details: { retryAfterMs: 5 },
    cause: { type: 'Error', code: 'ECONNREFUSED', message: 'connect ECONNREFUSED' },
  });
  t.match(describeError(new TypeError('a bug')), {
    type: 'TypeError',
    message: 'a bug',
    stack: /process-log/,
  });
  const circular = new Error('a');
  circular.cause = circular;
  t.ok(JSON.stringify(describeError(circular)), 'causes have a bound');
});
