/**
 * The part of a signature that is the same in all requests of a client for a day: whose key it is, the scope of the key, and
 * which headers are signed. It is parsed once and remembered by its text.
 */
import { BoundedMap } from '../../core/bounded-map.js';
import type { SigningScope } from './signing-keys.js';
import { SigningRoom } from './signing-room.js';

export const ALGORITHM = 'AWS4-HMAC-SHA256';

export interface SignatureClaim {
  readonly accessKeyId: string;
  readonly scope: SigningScope;
  /** `20130524/us-east-1/s3/aws4_request` */
  readonly scopeText: string;
  /** Lower-case names in the order the client has them. */
  readonly signedHeaders: readonly string[];
  readonly signedHeadersText: string;
  /** Whether `host` is among them, as it has to be. */
  readonly signsHost: boolean;
  /** What `startOfString` answered last: a client says the same time for a second. */
  readonly lastStart: { time: string; text: string };
  /** Where requests that are signed in their header are verified. */
  readonly room: SigningRoom;
}

/** How the string to sign begins for a claim: algorithm, time, scope. */
export function startOfString(claim: SignatureClaim, time: string): string {
  const { lastStart } = claim;
  if (lastStart.time !== time) {
    lastStart.time = time;
    lastStart.text = `${ALGORITHM}\n${time}\n${claim.scopeText}\n`;
  }
  return lastStart.text;
}

/** Anybody may fill it, so it is small: at most 1 MiB of texts, the oldest forgotten first. */
const CLAIMS_MAX = 1000;
const TEXT_CHARACTERS_MAX = 1024;

export class SignatureClaims {
  readonly #claims = new BoundedMap<string, SignatureClaim>(CLAIMS_MAX);

  get(text: string): SignatureClaim | undefined {
    return this.#claims.get(text);
  }

  add(text: string, claim: SignatureClaim): void {
    if (text.length <= TEXT_CHARACTERS_MAX) this.#claims.set(text, claim);
  }
}

/** Any region is taken: it is part of what is signed, and names no place here. */
const REGION_CHARACTERS_MAX = 64;

/** Reads a Credential and SignedHeaders; what is wrong is thrown as `refuse` makes it. */
export function parseClaim(
  credential: string,
  signedHeaders: string,
  refuse: (what: string) => Error,
): SignatureClaim {
  const fields = credential.split('/');
  // An access key may contain slashes.
  const [date = '', region = '', service = '', end = ''] = fields.slice(-4);
  const accessKeyId = fields.slice(0, -4).join('/');
  if (accessKeyId === '')
    throw refuse(
      'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request"',
    );
  if (!/^\d{8}$/.test(date))
    throw refuse(
      `incorrect date format "${date}". This date in the credential must be in the format "yyyyMMdd"`,
    );
  if (region === '' || region.length > REGION_CHARACTERS_MAX)
    throw refuse(
      `incorrect region "${region.slice(0, REGION_CHARACTERS_MAX)}". A region has 1 to ${REGION_CHARACTERS_MAX} characters`,
    );
  if (service !== 's3') throw refuse(`incorrect service "${service}". This endpoint belongs to "s3"`);
  if (end !== 'aws4_request') throw refuse(`incorrect terminal "${end}". This endpoint uses "aws4_request"`);
  const names = signedHeaders.split(';');
  return {
    accessKeyId,
    scope: { date, region, service, lastKey: undefined },
    scopeText: `${date}/${region}/${service}/${end}`,
    signedHeaders: names,
    signedHeadersText: signedHeaders,
    signsHost: names.includes('host'),
    lastStart: { time: '', text: '' },
    room: new SigningRoom(),
  };
}
