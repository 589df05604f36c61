/** A real S3 server behind the fault proxy, as the under-store of a real Headrace server. */
import {
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { Test } from 'tap';
import { FaultProxy } from './fault-proxy.js';
import { startS3Server } from './s3-servers.js';
import { startVersityGateway } from './versity-gateway.js';

export interface UfsObject {
  readonly body: Buffer;
  /** Quoted. */
  readonly etag: string;
  readonly contentType: string | undefined;
  readonly cacheControl: string | undefined;
  /** With those that Headrace adds. */
  readonly metadata: Readonly<Record<string, string>>;
}

export interface OpenUfsUpload {
  readonly key: string;
  readonly uploadId: string;
  /** As the store tells it. */
  readonly startedMs: number;
}

export class FaultyUfs {
  readonly proxy: FaultProxy;
  /** Past the proxy: what the store really holds. */
  readonly #direct: S3Client;
  readonly #accessKeyId: string;
  readonly #secretAccessKey: string;

  private constructor(proxy: FaultProxy, direct: S3Client, accessKeyId: string, secretAccessKey: string) {
    this.proxy = proxy;
    this.#direct = direct;
    this.#accessKeyId = accessKeyId;
    this.#secretAccessKey = secretAccessKey;
  }

  /** Starts the first of the servers that are installed, or tells how to install them. Gone with the test. */
  static async start(t: Test): Promise<FaultyUfs | { readonly skip: string }> {
    const first = await startVersityGateway();
    const server = 'skip' in first ? await startS3Server() : first;
    if ('skip' in server) return { skip: `${'skip' in first ? first.skip : ''}; ${server.skip}` };
    const { endpoint, accessKeyId, secretAccessKey } = server;
    const proxy = new FaultProxy(endpoint.replace('http://', ''));
    await proxy.start();
    const credentials = { accessKeyId, secretAccessKey };
    const direct = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
    t.teardown(async () => {
      direct.destroy();
      await proxy.close();
      await server.close();
    });
    return new FaultyUfs(proxy, direct, accessKeyId, secretAccessKey);
  }

  /** For a Headrace server whose under-store it is (`ufs: 's3://'`). */
  get environment(): Record<string, string> {
    return {
      HEADRACE_UFS_S3_ENDPOINT: `http://${this.proxy.address}`,
      HEADRACE_UFS_S3_PATH_STYLE: 'true',
      HEADRACE_UFS_S3_ACCESS_KEY_ID: this.#accessKeyId,
      HEADRACE_UFS_S3_SECRET_ACCESS_KEY: this.#secretAccessKey,
      HEADRACE_WORKER_WRITE_CACHE_ASYNC_PERSIST_RETRY_INITIAL_INTERVAL: '50ms',
      HEADRACE_WORKER_WRITE_CACHE_ASYNC_PERSIST_RETRY_MAX_INTERVAL: '500ms',
    };
  }

  /** As somebody else, beside Headrace. Returns the ETag, quoted. */
  async put(bucket: string, key: string, body: Uint8Array | string): Promise<string> {
    const { ETag = '' } = await this.#direct.send(
      new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }),
    );
    return ETag;
  }

  async get(bucket: string, key: string): Promise<UfsObject | undefined> {
    try {
      const answer = await this.#direct.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      return {
        body: Buffer.from((await answer.Body?.transformToByteArray()) ?? []),
        etag: answer.ETag ?? '',
        contentType: answer.ContentType,
        cacheControl: answer.CacheControl,
        metadata: answer.Metadata ?? {},
      };
    } catch (error) {
      if ((error as Error).name === 'NoSuchKey') return undefined;
      throw error;
    }
  }

  async keys(bucket: string): Promise<string[]> {
    const keys: string[] = [];
    let token: string | undefined;
    do {
      const page = await this.#direct.send(
        new ListObjectsV2Command({ Bucket: bucket, ContinuationToken: token }),
      );
      for (const { Key = '' } of page.Contents ?? []) keys.push(Key);
      token = page.NextContinuationToken;
    } while (token !== undefined);
    return keys;
  }

  /** Multipart uploads that were neither completed nor aborted. */
  async openUploads(bucket: string): Promise<OpenUfsUpload[]> {
    const { Uploads = [] } = await this.#direct.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
    return Uploads.map(({ Key = '', UploadId = '', Initiated }) => ({
      key: Key,
      uploadId: UploadId,
      startedMs: Initiated?.getTime() ?? 0,
    }));
  }
}
