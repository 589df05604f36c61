/**
 * A WebHDFS server in this process, with an empty file system: for tests where no real HDFS can be started. It answers as Hadoop
 * 3.4 does, refusals and all, and refuses what it does not know; the same tests run on both.
 *
 * One port is the namenode's and the datanode's. Files are in memory; `tree` has the rules of the namespace.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Refusal, WebHdfsTree } from './webhdfs-tree.js';

export interface WebHdfsStandIn {
  readonly namenode: string;
  readonly user: string;
  readonly tree: WebHdfsTree;
  close(): Promise<void>;
}

const ROOT = '/webhdfs/v1';
const DATANODE = '/datanode';
const STATUSES: Readonly<Record<string, number>> = {
  FileNotFoundException: 404,
  IllegalArgumentException: 400,
  HadoopIllegalArgumentException: 400,
  InvalidPathException: 400,
};
const METHODS: Readonly<Record<string, string>> = {
  MKDIRS: 'PUT',
  CREATE: 'PUT',
  RENAME: 'PUT',
  SETXATTR: 'PUT',
  SETTIMES: 'PUT',
  OPEN: 'GET',
  GETFILESTATUS: 'GET',
  GETXATTRS: 'GET',
  LISTSTATUS_BATCH: 'GET',
  DELETE: 'DELETE',
};

interface Asked {
  readonly operation: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

export async function startWebHdfsStandIn(user = 'hdfs'): Promise<WebHdfsStandIn> {
  const tree = new WebHdfsTree(user);
  const server = createServer((request, response) => {
    answer(tree, request, response).catch((error: unknown) => refuse(response, error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const namenode = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    namenode,
    user,
    tree,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => void server.close(() => resolve()));
    },
  };
}

async function answer(tree: WebHdfsTree, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(`http://${request.headers.host ?? ''}${request.url ?? ''}`);
  const isDatanode = url.pathname.startsWith(DATANODE);
  const prefix = isDatanode ? DATANODE + ROOT : ROOT;
  if (!url.pathname.startsWith(`${prefix}/`)) throw new Refusal('FileNotFoundException', `${url.pathname}`);
  const path = decodeURIComponent(rawPath(request.url ?? '').slice(prefix.length));
  const operation = url.searchParams.get('op')?.toUpperCase() ?? '';
  if (METHODS[operation] !== request.method) {
    throw new Refusal(
      'IllegalArgumentException',
      `Invalid value for webhdfs parameter "op": ${operation} is not a valid ${request.method} operation.`,
    );
  }
  const asked = { operation, path, query: url.searchParams };
  if (isDatanode) return serveBytes(tree, asked, request, response);
  request.resume();
  tree.authorize(url.searchParams.get('user.name') ?? 'dr.who');
  if (operation === 'CREATE' || operation === 'OPEN') {
    if (operation === 'CREATE') tree.checkCreate(path, url.searchParams.get('overwrite') === 'true');
    else tree.checkOpen(path, Number(url.searchParams.get('offset') ?? 0));
    const location = `http://${request.headers.host ?? ''}${DATANODE}${request.url ?? ''}`;
    response.writeHead(307, { location, 'content-length': 0 }).end();
    return;
  }
  const said = namenodeAnswer(tree, asked);
  if (said === undefined) response.writeHead(200, { 'content-length': 0 }).end();
  else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(said));
}

function namenodeAnswer(tree: WebHdfsTree, { operation, path, query }: Asked): unknown {
  const required = (name: string): string => {
    const value = query.get(name);
    if (value === null || value === '') {
      throw new Refusal(
        'IllegalArgumentException',
        `Required param ${name} for op: ${operation} is null or empty`,
      );
    }
    return value;
  };
  switch (operation) {
    case 'MKDIRS':
      tree.makeDirectories(path);
      return { boolean: true };
    case 'RENAME':
      if (query.get('renameoptions') !== 'OVERWRITE')
        throw new Refusal('IllegalArgumentException', 'strict: OVERWRITE');
      tree.renameOver(path, required('destination'));
      return undefined;
    case 'SETXATTR':
      if (query.get('flag') !== 'CREATE') throw new Refusal('IllegalArgumentException', 'strict: flag');
      tree.setAttribute(path, required('xattr.name'), required('xattr.value'));
      return undefined;
    case 'SETTIMES':
      tree.setModified(path, Number(required('modificationtime')));
      return undefined;
    case 'GETFILESTATUS':
      return { FileStatus: tree.status(path) };
    case 'GETXATTRS':
      if (required('encoding') !== 'base64')
        throw new Refusal('IllegalArgumentException', 'strict: encoding');
      return { XAttrs: tree.attributes(path) };
    case 'LISTSTATUS_BATCH': {
      const { entries, remaining } = tree.list(path, query.get('startAfter') ?? '');
      return {
        DirectoryListing: {
          partialListing: { FileStatuses: { FileStatus: entries } },
          remainingEntries: remaining,
        },
      };
    }
    default:
      return { boolean: tree.remove(path, query.get('recursive') === 'true') };
  }
}

/** As a datanode: what came of a body that breaks off stays, as a shorter file. */
async function serveBytes(
  tree: WebHdfsTree,
  { operation, path, query }: Asked,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (operation === 'CREATE') {
    tree.create(path, query.get('overwrite') === 'true');
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } finally {
      tree.fill(path, Buffer.concat(chunks));
    }
    response.writeHead(201, {
      location: `hdfs://localhost${path}`,
      connection: 'close',
      'content-length': 0,
    });
    response.end();
    return;
  }
  request.resume();
  const bytes = tree.read(path);
  const offset = Number(query.get('offset') ?? 0);
  const length = Number(query.get('length') ?? bytes.length - offset);
  const part = bytes.subarray(offset, offset + length);
  response.writeHead(200, { connection: 'close', 'content-length': part.length });
  // In pieces, as a datanode sends them.
  for (let at = 0; at < part.length && !response.destroyed; at += 65_536) {
    if (!response.write(part.subarray(at, at + 65_536))) {
      await new Promise<void>((resolve) => {
        const goOn = (): void => {
          response.off('drain', goOn).off('close', goOn);
          resolve();
        };
        response.on('drain', goOn).on('close', goOn);
      });
    }
  }
  response.end();
}

/** The path as it was sent: `URL` would take out the dots. */
function rawPath(url: string): string {
  return url.replace(/[?#].*$/, '');
}

function refuse(response: ServerResponse, error: unknown): void {
  const refusal = error instanceof Refusal ? error : new Refusal('RuntimeException', String(error));
  const { exception, message } = refusal;
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const RemoteException = { exception, javaClassName: `org.apache.hadoop.${exception}`, message };
  response.writeHead(STATUSES[exception] ?? 403, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ RemoteException }));
}
