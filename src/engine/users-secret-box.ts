/**
 * Secrets of access keys, encrypted: the server has to know them to check signatures, the log must not.
 *
 * The key is in the file `secrets.key` of the data directory, apart from the log, so that a copy of the log gives nothing away.
 * It is made when the first secret is sealed. AES-256-GCM with a random nonce (NIST SP 800-38D, 8.2.2); what the secret belongs
 * to is authenticated with it, so that a sealed secret cannot be moved to another user.
 *
 * | file `secrets.key` | 64 hexadecimal digits and a line feed: the key of 32 bytes       |
 * | sealed secret      | `1.` and, in base64url, nonce (12 bytes), ciphertext, tag (16)   |
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { HeadraceError } from '../core/errors.js';
import type { Disk, Random } from '../core/ports.js';

const KEY_FILE = 'secrets.key';
/** Renamed to the key's name when it is whole. */
const NEW_KEY_FILE = 'secrets.key.new';
const KEY_BYTES = 32;
const KEY_FILE_BYTES = 2 * KEY_BYTES + 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const VERSION = '1.';
const CIPHER = 'aes-256-gcm';

export class SecretBox {
  readonly #disk: Disk;
  readonly #random: Random;
  #key: Uint8Array | undefined;
  #making: Promise<Uint8Array> | undefined;

  private constructor(disk: Disk, random: Random, key: Uint8Array | undefined) {
    this.#disk = disk;
    this.#random = random;
    this.#key = key;
  }

  /** Reads the key, if there is one. `CORRUPT_CHECKPOINT` when the file holds something else, `IO_FAILED`. */
  static async open(disk: Disk, random: Random): Promise<SecretBox> {
    return new SecretBox(disk, random, await readKey(disk));
  }

  /** A function that seals. The key is durable when it resolves. `IO_FAILED`, `DISK_FULL`. */
  async sealer(): Promise<(secret: string, owner: string) => string> {
    this.#making ??= this.#key === undefined ? this.#make() : Promise.resolve(this.#key);
    let key: Uint8Array;
    try {
      key = await this.#making;
    } catch (error) {
      this.#making = undefined;
      throw error;
    }
    return (secret, owner) => seal(secret, owner, key, this.#random.bytes(NONCE_BYTES));
  }

  /** Undefined when this key did not seal it for this owner. */
  open(sealed: string, owner: string): string | undefined {
    if (this.#key === undefined || !sealed.startsWith(VERSION)) return undefined;
    const bytes = Buffer.from(sealed.slice(VERSION.length), 'base64url');
    if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
    const cipher = createDecipheriv(CIPHER, this.#key, bytes.subarray(0, NONCE_BYTES));
    cipher.setAAD(Buffer.from(owner));
    cipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    try {
      const secret = cipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
      return Buffer.concat([secret, cipher.final()]).toString('utf8');
    } catch {
      return undefined;
    }
  }

  async #make(): Promise<Uint8Array> {
    const key = this.#random.bytes(KEY_BYTES);
    // One that was left by a crash was never used.
    await this.#disk.remove(NEW_KEY_FILE);
    const file = await this.#disk.create(NEW_KEY_FILE);
    try {
      await file.write(0, Buffer.from(`${Buffer.from(key).toString('hex')}\n`));
      await file.sync();
    } finally {
      await file.close();
    }
    await this.#disk.rename(NEW_KEY_FILE, KEY_FILE);
    await this.#disk.syncDirectory('');
    this.#key = key;
    return key;
  }
}

async function readKey(disk: Disk): Promise<Uint8Array | undefined> {
  const size = await disk.sizeOf(KEY_FILE);
  if (size === undefined) return undefined;
  const bytes = Buffer.alloc(KEY_FILE_BYTES);
  const file = await disk.open(KEY_FILE, { readOnly: true });
  try {
    await file.read(0, bytes);
  } finally {
    await file.close();
  }
  const text = bytes.toString('latin1');
  if (size === KEY_FILE_BYTES && /^[\da-f]{64}\n$/.test(text)) return Buffer.from(text.trimEnd(), 'hex');
  throw new HeadraceError(
    'CORRUPT_CHECKPOINT',
    `the file ${KEY_FILE} of the data directory has ${size} bytes that are not 64 hexadecimal digits and a line feed: ` +
      'restore it from a backup, or remove it and make new access keys for all users',
  );
}

function seal(secret: string, owner: string, key: Uint8Array, nonce: Uint8Array): string {
  const cipher = createCipheriv(CIPHER, key, nonce);
  cipher.setAAD(Buffer.from(owner));
  const sealed = Buffer.concat([nonce, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return VERSION + sealed.toString('base64url');
}
