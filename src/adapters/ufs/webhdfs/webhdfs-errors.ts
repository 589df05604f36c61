/**
 * Failures of WebHDFS in the words of the `ObjectStore` port.
 *
 * Decision table, first match wins. "Change" is a call that changes what readers see.
 *
 * | what came back                                                     | code                                              |
 * |--------------------------------------------------------------------|---------------------------------------------------|
 * | no answer, and no connection either                                | UFS_UNAVAILABLE                                   |
 * | no answer, or one that breaks off                                  | UFS_UNKNOWN_OUTCOME for a change, else UFS_UNAVAILABLE |
 * | AccessControlException, SecurityException, 401, and their relatives | UFS_DENIED                                       |
 * | a quota or a limit of the namespace, a path or parameter it refuses | UFS_REJECTED                                     |
 * | 429, RetriableException with "too busy"                            | UFS_THROTTLED                                     |
 * | 502, 504 (a gateway lost the answer)                               | UFS_UNKNOWN_OUTCOME for a change, else UFS_UNAVAILABLE |
 * | 403 without an exception of Hadoop's                               | UFS_DENIED                                        |
 * | any other exception (safe mode, standby, no datanode, I/O), 5xx    | UFS_UNAVAILABLE                                   |
 * | anything else                                                      | UFS_REJECTED                                      |
 *
 * Source: Apache Hadoop, "WebHDFS REST API", "HTTP Response Codes" and "RemoteException"; most failures are 403 with an
 * IOException, whatever they are, so the exception's name decides.
 */
import { HeadraceError, type ErrorCode } from '../../../core/errors.js';
import { abortedError } from '../abortable.js';

const DENIED = new Set([
  'AccessControlException',
  'SecurityException',
  'AuthenticationException',
  'AuthorizationException',
  'InvalidToken',
]);
const REJECTED = new Set([
  'DSQuotaExceededException',
  'NSQuotaExceededException',
  'QuotaExceededException',
  'QuotaByStorageTypeExceededException',
  'MaxDirectoryItemsExceededException',
  'PathComponentTooLongException',
  'FSLimitException',
  'InvalidPathException',
  'IllegalArgumentException',
  'HadoopIllegalArgumentException',
  'UnsupportedOperationException',
  'ParentNotDirectoryException',
  'FileAlreadyExistsException',
  'SnapshotException',
]);
/** The request never left. */
const NOT_CONNECTED = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'EMFILE',
]);
const CONNECT_TIMEOUT = /did not establish a connection/;
const TLS_FAILED = /CERT|SIGNED|^ERR_TLS|^ERR_SSL|^EPROTO$/;
/** The first line of a message of Hadoop's; the others are the server's stack. */
const MESSAGE_LENGTH_MAX = 300;

/** An answer that is a refusal. */
export class WebHdfsRefusal extends Error {
  override readonly name = 'WebHdfsRefusal';
  readonly status: number;
  /** The class of Hadoop's exception without its package; '' when the answer named none. */
  readonly exception: string;

  constructor(status: number, exception: string, message: string) {
    super(message);
    this.status = status;
    this.exception = exception;
  }
}

/** The refusal that the text of an answer tells. */
export function refusalFrom(status: number, text: string): WebHdfsRefusal {
  const fields = remoteException(text);
  const message = fields?.message.split('\n', 1)[0]?.slice(0, MESSAGE_LENGTH_MAX) ?? '';
  return new WebHdfsRefusal(status, fields?.exception ?? '', message || `the server answered ${status}`);
}

/** Whether HDFS answered with one of these exceptions. */
export function isRefusal(error: unknown, ...exceptions: string[]): error is WebHdfsRefusal {
  return error instanceof WebHdfsRefusal && exceptions.includes(error.exception);
}

/** Whether nothing is at a path. */
export function isAbsent(error: unknown): boolean {
  return isRefusal(error, 'FileNotFoundException');
}

/** Whether the request cannot have reached a server. */
export function isNotConnected(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof WebHdfsRefusal) return false;
  const { code } = error as NodeJS.ErrnoException;
  return (
    (code !== undefined && (NOT_CONNECTED.has(code) || TLS_FAILED.test(code))) ||
    CONNECT_TIMEOUT.test(error.message)
  );
}

/** `error` as the port has it; `what` completes "cannot …". An error of ours stays as it is. */
export function webHdfsError(
  what: string,
  error: unknown,
  change: boolean,
  signal?: AbortSignal,
): HeadraceError {
  if (error instanceof HeadraceError) return error;
  if (signal?.aborted === true) return abortedError(what, change, signal.reason);
  const lost: ErrorCode = change ? 'UFS_UNKNOWN_OUTCOME' : 'UFS_UNAVAILABLE';
  if (error instanceof WebHdfsRefusal) {
    const { status, exception, message } = error;
    const named = exception === '' ? `${status}` : `${status} ${exception}`;
    return new HeadraceError(codeOf(error, lost), `cannot ${what}: ${message} (${named})`, {
      cause: error,
      details: { status, ...(exception === '' ? {} : { exception }) },
    });
  }
  const message = error instanceof Error ? error.message || error.name : String(error);
  const code = isNotConnected(error) ? 'UFS_UNAVAILABLE' : lost;
  return new HeadraceError(code, `cannot ${what}: ${message}`, { cause: error });
}

/** Whether a request may have taken effect although nobody said so. */
export function isLost(error: unknown): boolean {
  if (error instanceof HeadraceError) return false;
  if (error instanceof WebHdfsRefusal) return error.status === 502 || error.status === 504;
  return !isNotConnected(error);
}

function codeOf({ status, exception, message }: WebHdfsRefusal, lost: ErrorCode): ErrorCode {
  if (DENIED.has(exception) || status === 401) return 'UFS_DENIED';
  if (REJECTED.has(exception)) return 'UFS_REJECTED';
  if (status === 429 || (exception === 'RetriableException' && /too busy/i.test(message))) {
    return 'UFS_THROTTLED';
  }
  if (status === 502 || status === 504) return lost;
  if (exception === '' && status === 403) return 'UFS_DENIED';
  if (exception !== '' || status >= 500) return 'UFS_UNAVAILABLE';
  return status < 400 ? lost : 'UFS_REJECTED';
}

function remoteException(text: string): { exception: string; message: string } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const remote = (value as { RemoteException?: unknown } | null)?.RemoteException;
  if (typeof remote !== 'object' || remote === null) return undefined;
  const { exception, message } = remote as { exception?: unknown; message?: unknown };
  return {
    exception: typeof exception === 'string' ? exception : '',
    message: typeof message === 'string' ? message : '',
  };
}

/** The server's WebHDFS is not that of a namenode. */
export function cannotOverwrite(path: string): HeadraceError {
  return new HeadraceError(
    'UFS_REJECTED',
    `the server does not rename over ${path}: use the WebHDFS of a namenode, HttpFS does not know the option OVERWRITE`,
  );
}

export function noSuchBucket(bucket: string): HeadraceError {
  return new HeadraceError('NO_SUCH_BUCKET', `there is no bucket "${bucket}"`);
}
