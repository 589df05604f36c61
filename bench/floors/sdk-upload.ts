/**
 * The floor under the upload of a large object: the AWS SDK alone, in a process of its own, with a multipart upload from
 * memory. As many parts at a time as `@aws-sdk/lib-storage` sends unless told otherwise; each is read from the same block, so
 * that no disk is in the way.
 */
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';

export interface SdkUploadRequest {
  readonly port: number;
  readonly objectBytes: number;
  readonly partBytes: number;
}

export interface SdkUploadReply {
  readonly elapsedMs: number;
  readonly cpuMs: number;
}

const CONCURRENT_PARTS = 4;
const TARGET = { Bucket: 'sdk', Key: 'large' };

async function upload({ port, objectBytes, partBytes }: SdkUploadRequest): Promise<SdkUploadReply> {
  const client = new S3Client({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'bench', secretAccessKey: 'bench' },
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
  try {
    await client.send(new CreateBucketCommand({ Bucket: TARGET.Bucket }));
    const body = Buffer.alloc(partBytes, 'x');
    const cpuBefore = process.cpuUsage();
    const startedMs = performance.now();
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(TARGET));
    const numbers = Array.from({ length: Math.ceil(objectBytes / partBytes) }, (_, i) => i + 1);
    const Parts: { PartNumber: number; ETag: string | undefined }[] = [];
    const next = numbers.values();
    const workers = Array.from({ length: CONCURRENT_PARTS }, async () => {
      for (const PartNumber of next) {
        const { ETag } = await client.send(
          new UploadPartCommand({ ...TARGET, UploadId, PartNumber, Body: body }),
        );
        Parts[PartNumber - 1] = { PartNumber, ETag };
      }
    });
    await Promise.all(workers);
    await client.send(
      new CompleteMultipartUploadCommand({ ...TARGET, UploadId, MultipartUpload: { Parts } }),
    );
    const cpu = process.cpuUsage(cpuBefore);
    return { elapsedMs: performance.now() - startedMs, cpuMs: (cpu.user + cpu.system) / 1000 };
  } finally {
    client.destroy();
  }
}

if (process.send !== undefined && process.argv[2] === 'sdk-upload') {
  process.on('disconnect', () => process.exit());
  process.on('message', (request: SdkUploadRequest) => {
    upload(request).then(
      (result) => process.send?.({ kind: 'done', result }),
      (error: Error) => process.send?.({ kind: 'failed', message: error.message }),
    );
  });
  process.send({ kind: 'ready' });
}
