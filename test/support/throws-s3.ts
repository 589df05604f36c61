/** Asserts that something is refused with an S3 error. */
import type { Test } from 'tap';

export function throwsS3(t: Test, run: () => unknown, s3Code: string, about: string | RegExp = ''): void {
  let error: unknown;
  try {
    run();
  } catch (thrown) {
    error = thrown;
  }
  if (typeof about === 'string') t.match(error, { s3Code }, about);
  else t.match(error, { s3Code, message: about });
}
