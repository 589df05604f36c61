/** Reads a TLS certificate chain and its private key, and finds out whether they can be served. */
import { X509Certificate } from 'node:crypto';
import fs from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { HeadraceError } from '../core/errors.js';

export interface TlsFiles {
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** PEM texts that belong together. */
export interface TlsPair {
  readonly certificate: string;
  readonly key: string;
}

/** Both files as they are; `INVALID_SETTING` when one cannot be read. */
export async function readTlsFiles({ certificateFile, keyFile }: TlsFiles): Promise<TlsPair> {
  const [certificate, key] = await Promise.all([
    readPem('s3.tls.certificate', certificateFile),
    readPem('s3.tls.key', keyFile),
  ]);
  return { certificate, key };
}

async function readPem(setting: string, file: string): Promise<string> {
  try {
    return await fs.readFile(file, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HeadraceError('INVALID_SETTING', `${setting} = "${file}" cannot be read: ${reason}`, { cause });
  }
}

/** Throws `INVALID_SETTING` when the pair cannot be served. Returns whose certificate it is and until when, for people. */
export function checkTlsPair({ certificate, key }: TlsPair, files: TlsFiles): string {
  try {
    createSecureContext({ cert: certificate, key });
    const { subject, validTo } = new X509Certificate(certificate);
    return `${subject.replaceAll('\n', ', ') || 'no subject'}, valid until ${validTo}`;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HeadraceError(
      'INVALID_SETTING',
      `s3.tls.certificate = "${files.certificateFile}" and s3.tls.key = "${files.keyFile}" are no certificate chain ` +
        `and private key in PEM that belong together: ${reason}`,
      { cause },
    );
  }
}
