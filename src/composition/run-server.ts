/**
 * Runs the server: engine, S3 endpoint and admin API, from the start to a signal. Says where everything is and what to try first.
 */
import type { Logger } from '../core/logger.js';
import { createS3Server, type S3ServerParts } from '../http/s3/s3-server.js';
import type { Settings } from '../settings/settings.js';
import { listenError } from './listen-error.js';
import { Shutdown } from './shutdown.js';
import { s3Access } from './s3-access.js';
import { startS3Tls } from './s3-tls.js';
import { startAdmin } from './start-admin.js';
import { openEngine, type EngineContext, type OpenedEngine } from './open-engine.js';

/** How long the UFS may take to answer before the one who started the server is told. */
const FIRST_CHECK_MS = 10_000;

export interface ServerContext extends EngineContext {
  /** Takes the lines that a person reads. */
  readonly print: (text: string) => void;
  /** Takes lines about what takes long, beside the log. */
  readonly note: (text: string) => void;
  /** Aborts when the server is to stop. */
  readonly stop: AbortSignal;
}

interface Stoppable {
  readonly name: string;
  readonly close: () => Promise<void>;
}

/**
 * Resolves when the server has stopped, everything acknowledged being durable; rejects when it cannot start, and with
 * `LOG_FENCED` when it stopped because another owner has taken its log over.
 */
export async function runServer(settings: Settings, context: ServerContext): Promise<void> {
  const { logger } = context;
  let reason: string | undefined = 'the server is starting: the log is being read';
  const opened = await openEngine(settings, context);
  const running: Stoppable[] = [{ name: 'engine', close: () => opened.close() }];
  try {
    const shutdown = new Shutdown({
      barriers: opened.engine.barriers,
      clock: opened.clock,
      signal: context.stop,
      drainTimeoutMs: settings.drainTimeoutMs,
      note: context.note,
    });
    const admin = await startAdmin(settings, opened, logger, {
      notReadyReason: () => reason,
      stop: shutdown,
    });
    running.push({ name: 'admin API', close: admin.close });
    const s3Ports = settings.s3Enabled ? await startS3(settings, opened, logger, running) : {};
    reason = undefined;
    context.print(await banner(settings, opened, { ...s3Ports, adminPort: admin.port }));
    void tellIfUnreachable(opened, context);
    const fencedBy = await Promise.race([shutdown.asked, opened.fenced]);
    reason = fencedBy?.message ?? 'the server is stopping';
    // What is left to upload belongs to the new owner now.
    if (fencedBy !== undefined) throw fencedBy;
    // Behind the S3 endpoints, which are closed first, and before the admin API, which tells how it goes.
    running.splice(2, 0, { name: 'drain', close: () => shutdown.drain() });
    context.print('Stopping: requests in progress are finished first.\n');
  } finally {
    await stopAll(running, logger);
  }
  context.print('Stopped.\n');
}

async function startS3(
  settings: Settings,
  { engine, clock, random, measurements }: OpenedEngine,
  logger: Logger,
  running: Stoppable[],
): Promise<{ s3Port: number; tlsPort: number | undefined }> {
  // Names of hosts have no case, and those of requests are compared in lower case.
  const domains = settings.s3Domain === undefined ? [] : [settings.s3Domain.toLowerCase()];
  const parts: S3ServerParts = {
    objects: engine.objects,
    clock,
    random,
    logger,
    options: {
      domains,
      ackTimeoutMs: settings.s3AckTimeoutMs,
      accessLog: settings.s3AccessLog || settings.logLevel === 'debug',
    },
    observer: measurements.requests.observe,
    ...s3Access(settings, engine, clock),
  };
  const server = createS3Server(parts);
  running.push({ name: 'S3 endpoint', close: () => server.close(settings.shutdownGraceMs) });
  const { s3Host: host, s3Port } = settings;
  const { port } = await server.listen(host, s3Port).catch((error: unknown) => {
    throw listenError(error, { hostKey: 's3.host', host, portKey: 's3.port', port: s3Port });
  });
  const tls = await startS3Tls(settings, parts);
  if (tls !== undefined)
    running.push({ name: 'S3 endpoint over TLS', close: () => tls.close(settings.shutdownGraceMs) });
  return { s3Port: port, tlsPort: tls?.port };
}

/** The last started is stopped first. */
async function stopAll(running: readonly Stoppable[], logger: Logger): Promise<void> {
  for (const { name, close } of running.toReversed()) {
    try {
      await close();
    } catch (error) {
      logger.error({ error, part: name }, 'a part of the server did not stop cleanly');
    }
  }
}

async function banner(
  settings: Settings,
  { engine }: OpenedEngine,
  ports: { s3Port?: number; tlsPort?: number | undefined; adminPort: number },
): Promise<string> {
  const status = await engine.admin.status();
  const s3 = ports.s3Port === undefined ? undefined : `http://${urlHost(settings.s3Host)}:${ports.s3Port}`;
  const lines = [
    `Headrace ${status.version} is running.`,
    '',
    `  S3 endpoint   ${s3 ?? 'off (worker.s3.api.enabled)'}`,
    ...(ports.tlsPort === undefined
      ? []
      : [`  over TLS      https://${urlHost(settings.s3Host)}:${ports.tlsPort}`]),
    `  Admin API     http://${urlHost(settings.adminHost)}:${ports.adminPort}`,
    `  Data          ${status.dataDirectory}`,
    `  Under-store   ${status.ufs}`,
    `  Capacity      ${gibibytes(status.capacityBytes)}, of which un-persisted at most ${gibibytes(status.pinnedLimitBytes)}`,
    ...(status.pendingObjects > 0 ? [`  To persist    ${status.pendingObjects} objects`] : []),
    '',
  ];
  if (s3 !== undefined && settings.s3AnonymousAccess !== 'granted' && !engine.users.everExisted) {
    lines.push(
      'Try it:',
      `  aws --endpoint-url ${s3} --no-sign-request s3 mb s3://demo`,
      `  aws --endpoint-url ${s3} --no-sign-request s3 cp README.md s3://demo/`,
      '',
    );
  }
  return `${[...lines, 'Stop it with Ctrl-C; kill -9 loses nothing that was acknowledged.'].join('\n')}\n`;
}

/** A server whose UFS is away starts all the same; whoever started it should know. */
async function tellIfUnreachable({ engine, clock }: OpenedEngine, context: ServerContext): Promise<void> {
  const { root } = engine.core.mounts;
  const deadline = new AbortController();
  const cancel = clock.schedule(FIRST_CHECK_MS, () => deadline.abort());
  try {
    await root.check(deadline.signal);
  } catch (error) {
    if (context.stop.aborted) return;
    context.logger.warn({ error, ufs: root.description }, 'the under-store does not answer');
    context.print(
      `\nWarning: the under-store (${root.description}) does not answer: what is written through or was not cached fails ` +
        `until it does; WRITE_BACK and TRANSIENT writes are taken.\n${error instanceof Error ? error.message : String(error)}\n`,
    );
  } finally {
    cancel();
  }
}

/** An address that a client on this machine can use. */
function urlHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

function gibibytes(bytes: number): string {
  const gib = bytes / 1024 ** 3;
  return gib >= 1 ? `${gib.toFixed(1)} GiB` : `${Math.round(bytes / 1024 ** 2)} MiB`;
}
