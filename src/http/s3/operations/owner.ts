/** The one owner there is, as documents name it. */
import type { S3ServerOptions } from '../options.js';
import { element } from '../xml-writer.js';

export function ownerElement(name: 'Owner' | 'Initiator', options: S3ServerOptions): string {
  return `<${name}>${element('ID', options.ownerId)}${element('DisplayName', options.ownerName)}</${name}>`;
}
