/**
 * Tags of objects and buckets: from the header `x-amz-tagging`, from XML and back (S3 user guide, "Categorizing your storage
 * using tags").
 */
import { invalidArgument, S3Error } from './s3-error.js';
import { childOf, childText } from './xml-reader.js';
import type { XmlElement } from './xml-reader.js';
import { element, xmlDocument } from './xml-writer.js';

export type Tags = Readonly<Record<string, string>>;

export const OBJECT_TAGS_MAX = 10;
export const BUCKET_TAGS_MAX = 50;
const KEY_CHARACTERS_MAX = 128;
const VALUE_CHARACTERS_MAX = 256;
const ALLOWED = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

/** `a=1&b=2`, percent-encoded. Throws InvalidTag, InvalidArgument, BadRequest. */
export function parseTagging(header: string): Tags {
  const tags = new TagCollector();
  for (const pair of header.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const key = decodeTag(equals < 0 ? pair : pair.slice(0, equals), header);
    tags.add(key, equals < 0 ? '' : decodeTag(pair.slice(equals + 1), header));
    if (tags.count > OBJECT_TAGS_MAX)
      throw new S3Error('BadRequest', `Object tags cannot be greater than ${OBJECT_TAGS_MAX}`);
  }
  return tags.tags;
}

/** A `Tagging` document. Throws MalformedXML, InvalidTag. */
export function parseTagSet(root: XmlElement, tagsMax: number): Tags {
  const set = childOf(root, 'TagSet');
  if (root.name !== 'Tagging' || set === undefined) throw new S3Error('MalformedXML');
  const tags = new TagCollector();
  for (const tag of set.children) {
    const key = childText(tag, 'Key');
    const value = childText(tag, 'Value');
    if (tag.name !== 'Tag' || key === undefined || value === undefined) throw new S3Error('MalformedXML');
    tags.add(key, value);
  }
  if (tags.count > tagsMax)
    throw new S3Error('InvalidTag', `There are ${tags.count} tags: at most ${tagsMax} are allowed.`);
  return tags.tags;
}

/** Sorted by key: tags have no order of their own. */
export function taggingDocument(tags: Tags): string {
  let content = '';
  for (const key of Object.keys(tags).toSorted())
    content += `<Tag>${element('Key', key)}${element('Value', tags[key] ?? '')}</Tag>`;
  return xmlDocument('Tagging', `<TagSet>${content}</TagSet>`);
}

class TagCollector {
  /** Without a prototype: keys come from clients, `__proto__` included. */
  readonly tags = Object.create(null) as Record<string, string>;
  count = 0;

  add(key: string, value: string): void {
    checkTag(key, value);
    if (key in this.tags)
      throw new S3Error('InvalidTag', `Cannot provide multiple Tags with the same key: "${key}".`);
    this.tags[key] = value;
    this.count += 1;
  }
}

function checkTag(key: string, value: string): void {
  if (key.length === 0 || key.length > KEY_CHARACTERS_MAX || !ALLOWED.test(key))
    throw new S3Error(
      'InvalidTag',
      `The TagKey you have provided is invalid: it has 1 to ${KEY_CHARACTERS_MAX} letters, digits, spaces and _.:/=+-@, not "${key}".`,
    );
  if (key.startsWith('aws:'))
    throw new S3Error('InvalidTag', 'System tags cannot be added/updated by requester');
  if (value.length > VALUE_CHARACTERS_MAX || !ALLOWED.test(value))
    throw new S3Error(
      'InvalidTag',
      `The TagValue you have provided is invalid: it has at most ${VALUE_CHARACTERS_MAX} letters, digits, spaces and _.:/=+-@, not "${value}".`,
    );
}

function decodeTag(text: string, header: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw invalidArgument(
      "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
      'x-amz-tagging',
      header,
    );
  }
}
