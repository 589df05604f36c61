import t from 'tap';
import { ERROR_KINDS, HeadraceError } from '../../../src/core/errors.js';
import type { ErrorCode } from '../../../src/core/errors.js';
import { ERROR_MAPPINGS, toS3Error } from '../../../src/http/s3/error-mapper.js';
import { S3_ERRORS, S3Error } from '../../../src/http/s3/s3-error.js';

const codes = Object.keys(ERROR_KINDS) as ErrorCode[];

void t.test('errors: every code of the engine has an S3 code', async (t) => {
  t.same(Object.keys(ERROR_MAPPINGS).toSorted(), codes.toSorted());
  for (const code of codes) t.ok(ERROR_MAPPINGS[code].code in S3_ERRORS, code);
});

void t.test('errors: what may succeed later is a 5xx, what can never succeed is not', async (t) => {
  const internal: ErrorCode[] = [
    'INVALID_SETTING',
    'UNSUPPORTED_FORMAT',
    'DATA_DIRECTORY_IN_USE',
    'DATA_DIRECTORY_UNUSABLE',
    'LOG_TRIMMED',
    'NOT_SUPPORTED',
  ];
  for (const code of codes) {
    const { status } = toS3Error(new HeadraceError(code, 'message'));
    const later = ERROR_KINDS[code] !== 'INVALID' || internal.includes(code);
    t.equal(status >= 500, later, `${code} is a ${status}`);
  }
});

void t.test('errors: pressure says when to come again', async (t) => {
  for (const code of ['SLOW_DOWN', 'OUT_OF_SPACE', 'DISK_FULL', 'UFS_UNAVAILABLE'] as const) {
    const error = toS3Error(new HeadraceError(code, 'message'));
    t.equal(error.status, 503, code);
    t.match(error.headers, ['Retry-After', /^\d+$/]);
  }
  const own = toS3Error(new HeadraceError('SLOW_DOWN', 'message', { details: { retryAfterMs: 2500 } }));
  t.same(own.headers, ['Retry-After', '3']);
});

void t.test('errors: out of space is named and explained', async (t) => {
  const error = toS3Error(new HeadraceError('OUT_OF_SPACE', 'the pinned limit of 3 GiB is reached'));
  t.match(error, { s3Code: 'OutOfSpace', message: 'the pinned limit of 3 GiB is reached' });
});

void t.test('errors: what only an operator can act on is not told to clients', async (t) => {
  const error = toS3Error(new HeadraceError('IO_FAILED', '/secret/path: EIO'));
  t.match(error, { s3Code: 'InternalError', message: S3_ERRORS.InternalError[1] });
  t.match(toS3Error(new TypeError('a bug')), { s3Code: 'InternalError', status: 500 });
});

void t.test('errors: an unsatisfiable range says how long the object is', async (t) => {
  const error = toS3Error(new HeadraceError('INVALID_RANGE', 'message', { details: { size: 10 } }));
  t.match(error, { s3Code: 'InvalidRange', status: 416, elements: { ActualObjectSize: '10' } });
  t.same(error.headers, ['Content-Range', 'bytes */10']);
  const part = toS3Error(new HeadraceError('INVALID_RANGE', '', { details: { size: 10, partNumber: 3 } }));
  t.match(part, { s3Code: 'InvalidPartNumber', status: 416 });
});

void t.test('errors: an error of S3 stays what it is', async (t) => {
  const error = new S3Error('InvalidDigest');
  t.equal(toS3Error(error), error);
});
