/**
 * XML of answers, by templates: a generic builder takes five times as long for a listing of 1,000 keys.
 *
 * Text is escaped so that a reader gets back exactly the key: control characters become references even where XML 1.0 has
 * no way to write them, as S3 does; clients with such keys ask for `encoding-type=url`.
 */

export const XML_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n';
/** The attribute of every document element of S3. */
const XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';

const SPECIAL = /[&<>"\x00-\x1f\x7f\ufffe\uffff]/;
const SPECIAL_ALL = /[&<>"\x00-\x1f\x7f\ufffe\uffff]/g;

/** Text as it stands between tags. */
export function escapeXml(text: string): string {
  return SPECIAL.test(text) ? text.replace(SPECIAL_ALL, escapeCharacter) : text;
}

function escapeCharacter(character: string): string {
  switch (character) {
    case '&':
      return '&amp;';
    case '<':
      return '&lt;';
    case '>':
      return '&gt;';
    case '"':
      return '&quot;';
    default:
      return `&#x${character.charCodeAt(0).toString(16).toUpperCase()};`;
  }
}

/** An element with text. */
export function element(name: string, text: string | number | boolean): string {
  return `<${name}>${typeof text === 'string' ? escapeXml(text) : text}</${name}>`;
}

/** An element that is left out when there is nothing to say. */
export function optionalElement(name: string, text: string | number | undefined): string {
  return text === undefined ? '' : element(name, text);
}

/** A whole document. */
export function xmlDocument(name: string, content: string): string {
  return `${XML_DECLARATION}<${name} ${XMLNS}>${content}</${name}>`;
}

/**
 * `encoding-type=url`: percent-encoded, except `/`. A space is `%20` and never `+`, which every decoder understands.
 */
export function encodeUrl(text: string): string {
  return encodeURIComponent(text).replaceAll('%2F', '/');
}
