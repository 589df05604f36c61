/** New access keys. */
import type { Random } from '../core/ports.js';
import type { KeyPair } from './users-document.js';

const ID_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const ID_START = 'HR';
const ID_CHARACTERS = 20;
const SECRET_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
/** Over 230 bits, in the form that clients know from elsewhere. */
const SECRET_CHARACTERS = 40;

/** A pair whose secret nobody can guess. */
export function newKeyPair(random: Random): KeyPair {
  return {
    accessKeyId: ID_START + letters(random, ID_LETTERS, ID_CHARACTERS - ID_START.length),
    secretAccessKey: letters(random, SECRET_LETTERS, SECRET_CHARACTERS),
  };
}

/** Letters that nobody can guess, each as likely as the others: an alphabet has at most 64. */
function letters(random: Random, alphabet: string, length: number): string {
  let text = '';
  while (text.length < length)
    for (const byte of random.bytes(length)) {
      const letter = alphabet[byte & 0x3f];
      if (letter !== undefined && text.length < length) text += letter;
    }
  return text;
}
