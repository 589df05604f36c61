/** The S3 endpoint over TLS: beside the plain one, when the settings name a certificate and its key. */
import { checkTlsPair, readTlsFiles } from '../adapters/tls-files.js';
import { createS3Server, type S3ServerParts } from '../http/s3/s3-server.js';
import type { Settings } from '../settings/settings.js';
import { listenError } from './listen-error.js';
import { TlsWatch } from './tls-watch.js';

export interface TlsEndpoint {
  readonly port: number;
  readonly close: (graceMs: number) => Promise<void>;
}

/**
 * Undefined without a certificate. `INVALID_SETTING` when it cannot be served, `IO_FAILED` for an address that cannot be listened on.
 */
export async function startS3Tls(settings: Settings, parts: S3ServerParts): Promise<TlsEndpoint | undefined> {
  const { s3TlsCertificateFile: certificateFile, s3TlsKeyFile: keyFile } = settings;
  if (certificateFile === undefined || keyFile === undefined) return undefined;
  const files = { certificateFile, keyFile };
  const tls = await readTlsFiles(files);
  const certificate = checkTlsPair(tls, files);
  const server = createS3Server({ ...parts, tls });
  const { s3Host: host, s3TlsPort } = settings;
  const { port } = await server.listen(host, s3TlsPort).catch((error: unknown) => {
    throw listenError(error, { hostKey: 's3.host', host, portKey: 's3.tls.port', port: s3TlsPort });
  });
  parts.logger.info({ port, certificate }, 'the S3 endpoint is served over TLS');
  const watch = new TlsWatch(parts, files, tls, (pair) => server.useCertificate(pair));
  return {
    port,
    close: (graceMs) => {
      watch.stop();
      return server.close(graceMs);
    },
  };
}
