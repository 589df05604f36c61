/** The signature of an upload form: over its policy, with the day's signing key (S3 API reference, "Browser-based uploads"). */
import { invalidArgument, S3Error } from '../s3/s3-error.js';
import { parseCompactDate } from '../s3/timestamps.js';
import { ALGORITHM, parseClaim, type SignatureClaim } from './signature-claims.js';
import { unsupportedMechanism } from './signature-parts.js';

export interface FormSignature {
  readonly claim: SignatureClaim;
  /** As it came, in base64: this text is what is signed. */
  readonly policy: string;
  readonly signature: string;
}

/** Undefined for a form without a policy and a signature. Throws InvalidArgument, InvalidRequest, AccessDenied. */
export function checkForm(fields: ReadonlyMap<string, string>): FormSignature | undefined {
  if (fields.has('awsaccesskeyid') || (fields.has('signature') && !fields.has('x-amz-signature')))
    throw unsupportedMechanism();
  const policy = fields.get('policy');
  const signature = fields.get('x-amz-signature');
  if (policy === undefined && signature === undefined) return undefined;
  for (const name of ['policy', 'x-amz-algorithm', 'x-amz-credential', 'x-amz-date', 'x-amz-signature'])
    if ((fields.get(name) ?? '') === '')
      throw invalidArgument(
        `Bucket POST must contain a field named '${name}'. If it is specified, please check the order of the fields.`,
        name,
        '',
      );
  const algorithm = fields.get('x-amz-algorithm') ?? '';
  if (algorithm !== ALGORITHM)
    throw invalidArgument(`X-Amz-Algorithm only supports "${ALGORITHM}"`, 'x-amz-algorithm', algorithm);
  const credential = fields.get('x-amz-credential') ?? '';
  const claim = parseClaim(credential, 'host', (what) =>
    invalidArgument(`Error parsing the x-amz-credential field; ${what}.`, 'x-amz-credential', credential),
  );
  const time = fields.get('x-amz-date') ?? '';
  if (parseCompactDate(time) === undefined || !time.startsWith(claim.scope.date))
    throw new S3Error(
      'AccessDenied',
      `Invalid x-amz-date "${time}": it needs the form "yyyyMMdd'T'HHmmss'Z'" and the day of the credential`,
    );
  return { claim, policy: policy ?? '', signature: signature ?? '' };
}
