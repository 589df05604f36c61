/**
 * The requests for one object that carry no body, each as the client sends it or, where the way to its bucket is known, direct
 * (`s3-direct.ts`). Both give the same fields and the same errors.
 */
import type { Readable } from 'node:stream';
import type { ByteRange } from '../../../core/object-store.js';
import { fieldsFrom } from './s3-direct.js';
import type { S3AnswerFields } from './s3-metadata.js';
import type { S3Connection } from './s3-session.js';

interface Target {
  readonly Bucket: string;
  readonly Key: string;
}

export async function headObject(
  { sdk, client, direct }: S3Connection,
  target: Target,
  signal: AbortSignal | undefined,
): Promise<S3AnswerFields> {
  if (direct.knows(target.Bucket)) {
    return fieldsFrom(await direct.send({ method: 'HEAD', ...target, headers: {} }, signal));
  }
  const command = new sdk.HeadObjectCommand(target);
  command.middlewareStack.add(direct.learn(target), { step: 'finalizeRequest', priority: 'low' });
  return client.send(command, { abortSignal: signal });
}

/** The stream must be consumed or destroyed. */
export async function getObject(
  { sdk, client, direct }: S3Connection,
  target: Target,
  range: ByteRange | undefined,
  signal: AbortSignal | undefined,
): Promise<{ readonly fields: S3AnswerFields; readonly stream: Readable }> {
  const Range = range === undefined ? undefined : `bytes=${range.first}-${range.last}`;
  if (direct.knows(target.Bucket)) {
    const headers: Record<string, string> = Range === undefined ? {} : { range: Range };
    const answer = await direct.open({ method: 'GET', ...target, headers }, signal);
    return { fields: fieldsFrom(answer.headers), stream: answer };
  }
  const command = new sdk.GetObjectCommand({ ...target, Range });
  command.middlewareStack.add(direct.learn(target), { step: 'finalizeRequest', priority: 'low' });
  const fields = await client.send(command, { abortSignal: signal });
  return { fields, stream: fields.Body as Readable };
}

export async function deleteObject(
  { sdk, client, direct }: S3Connection,
  target: Target,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (direct.knows(target.Bucket)) {
    await direct.send({ method: 'DELETE', ...target, headers: {} }, signal);
    return;
  }
  const command = new sdk.DeleteObjectCommand(target);
  command.middlewareStack.add(direct.learn(target), { step: 'finalizeRequest', priority: 'low' });
  await client.send(command, { abortSignal: signal });
}
