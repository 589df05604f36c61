/** The S3 endpoint with users, grants and bucket policies, over objects in memory. */
import { S3Client } from '@aws-sdk/client-s3';
import type { Test } from 'tap';
import { SystemClock } from '../../src/adapters/system-clock.js';
import { Access, type OpenAccess } from '../../src/engine/users-access.js';
import { parseGrant } from '../../src/engine/users-document.js';
import type { Users } from '../../src/engine/users.js';
import { GuardedAuthenticator } from '../../src/http/auth/guarded-authenticator.js';
import { SigV4Authenticator } from '../../src/http/auth/sigv4-authenticator.js';
import { formatCompactDate } from '../../src/http/s3/timestamps.js';
import { createMemoryUsers } from './memory-users.js';
import { startEndpoint, type S3Endpoint } from './s3-endpoint.js';
import type { Signer } from './sigv4-signer.js';

export interface KnownUser {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly client: S3Client;
  readonly signer: Signer;
}

export interface SecuredEndpoint extends S3Endpoint {
  readonly users: Users;
  readonly clock: SystemClock;
  readonly host: string;
  /** Makes a user with these grants, and a client that signs with its key. */
  readonly addUser: (name: string, ...grants: string[]) => Promise<KnownUser>;
  readonly clientOf: (accessKeyId: string, secretAccessKey: string) => S3Client;
}

export async function startSecured(t: Test, open: OpenAccess = 'never'): Promise<SecuredEndpoint> {
  const clock = new SystemClock();
  const { users } = createMemoryUsers({ clock });
  const owners = new Map<string, string>();
  const documents = new Map<string, string>();
  const access = new Access({
    users,
    documentOf: (bucket, name) => documents.get(`${bucket}/${name}`),
    ownerOf: (bucket) => owners.get(bucket),
    open,
  });
  const signatures = new SigV4Authenticator({ credentials: users, clock, anonymous: true });
  const endpoint = await startEndpoint(
    t,
    { access, authenticator: new GuardedAuthenticator(access, signatures) },
    (objects) => ({
      setBucketDocument: async (bucket, name, document) => {
        await objects.setBucketDocument(bucket, name, document);
        if (document === '') documents.delete(`${bucket}/${name}`);
        else documents.set(`${bucket}/${name}`, document);
      },
      createBucket: async (bucket, owner) => {
        await objects.createBucket(bucket, owner);
        if (owner !== undefined) owners.set(bucket, owner);
      },
    }),
  );
  const clientOf = (accessKeyId: string, secretAccessKey: string): S3Client => {
    const client = new S3Client({
      endpoint: endpoint.url,
      region: 'us-east-1',
      forcePathStyle: true,
      maxAttempts: 1,
      credentials: { accessKeyId, secretAccessKey },
    });
    t.teardown(() => client.destroy());
    return client;
  };
  const addUser = async (name: string, ...grants: string[]): Promise<KnownUser> => {
    const { accessKeyId, secretAccessKey } = await users.add(name, grants.map(parseGrant));
    const time = formatCompactDate(clock.wallTimeMs());
    const signer = { accessKeyId, secret: secretAccessKey, region: 'us-east-1', time };
    return { accessKeyId, secretAccessKey, client: clientOf(accessKeyId, secretAccessKey), signer };
  };
  const host = `127.0.0.1:${endpoint.port}`;
  return Object.assign(endpoint, { users, clock, host, addUser, clientOf });
}
