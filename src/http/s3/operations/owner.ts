/** Owners, as documents name them: a user by its name, or who owns what no user created. */
import type { S3ServerOptions } from '../options.js';
import { element } from '../xml-writer.js';

export function ownerElement(
  name: 'Owner' | 'Initiator',
  options: S3ServerOptions,
  user: string | undefined,
): string {
  return `<${name}>${element('ID', user ?? options.ownerId)}${element('DisplayName', user ?? options.ownerName)}</${name}>`;
}
