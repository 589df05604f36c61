/**
 * Reading a settings file: yaml (nested or dotted keys), or a Java properties file as existing installations have.
 *
 * All values come out as texts: `table.ts` alone decides what they mean.
 */
import { isAlias, isMap, isScalar, parseDocument, type Node } from 'yaml';
import { HeadraceError } from '../core/errors.js';
import { MIB } from '../core/units.js';

export interface FileEntry {
  /** As spelt in the file, nested keys joined with dots. */
  readonly spelling: string;
  readonly text: string;
}

const FILE_CHARACTERS_MAX = MIB;

/** Whether the file is read as Java properties: its name ends with `.properties`. */
export function isPropertiesFile(path: string): boolean {
  return path.endsWith('.properties');
}

/** The entries of a file, in its order. Throws `INVALID_SETTING`. */
export function parseSettingsFile(path: string, content: string): FileEntry[] {
  if (content.length > FILE_CHARACTERS_MAX)
    throw invalid(path, `has ${content.length} characters: at most ${FILE_CHARACTERS_MAX} are allowed`);
  return isPropertiesFile(path) ? parseProperties(content) : parseYaml(path, content);
}

function parseYaml(path: string, content: string): FileEntry[] {
  // The failsafe schema keeps every scalar a text: `1e3`, `0x10` and `on` reach the table as they were written.
  const document = parseDocument(content, { schema: 'failsafe', uniqueKeys: true });
  const [error] = document.errors;
  if (error !== undefined) throw invalid(path, `is not yaml: ${firstLine(error.message)}`);
  const entries: FileEntry[] = [];
  const visit = (node: unknown, spelling: string): void => {
    if (isMap<Node, unknown>(node)) {
      for (const { key, value } of node.items) {
        const name = isScalar(key) ? String(key.value) : '';
        if (name === '') throw invalidAt(path, spelling, 'has a key that is not a name');
        visit(value, spelling === '' ? name : `${spelling}.${name}`);
      }
    } else if (node === null || isScalar(node)) {
      if (spelling === '' && scalarText(node) !== '') throw invalid(path, 'must hold "key: value" lines');
      if (spelling !== '') entries.push({ spelling, text: scalarText(node) });
    } else if (isAlias(node)) {
      throw invalidAt(path, spelling, `is a reference (*${node.source}): write the value out`);
    } else {
      const right =
        spelling === '' ? '"key: value" lines' : 'one value, with commas where several are allowed';
      throw invalidAt(path, spelling, `is a list: write ${right}`);
    }
  };
  visit(document.contents, '');
  return entries;
}

function scalarText(node: unknown): string {
  return isScalar(node) && typeof node.value === 'string' ? node.value : '';
}

/** What the parser says before it quotes the place. */
function firstLine(message: string): string {
  return (message.split('\n')[0] ?? '').replace(/:$/, '');
}

/** A later line replaces an earlier one with the same key, as in Java. */
function parseProperties(content: string): FileEntry[] {
  const entries = new Map<string, string>();
  // A line that ends in an odd number of backslashes goes on in the next, without that line's indentation.
  const joined = content.replace(/(?<!\\)((?:\\\\)*)\\(?:\r\n|\r|\n)[ \t\f]*/g, '$1');
  for (const line of joined.split(/\r\n|\r|\n/)) {
    const match = /^[ \t\f]*(?![#!])((?:\\.|[^\\=: \t\f])+)[ \t\f]*[=:]?[ \t\f]*(.*)$/s.exec(line);
    if (match === null) continue;
    entries.set(unescape(match[1] ?? ''), unescape(match[2] ?? '').trim());
  }
  return Array.from(entries, ([spelling, text]) => ({ spelling, text }));
}

const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' };

function unescape(text: string): string {
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/gs, (_, hex: string | undefined, character: string) =>
    hex === undefined ? (ESCAPES[character] ?? character) : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** About the value of a key, or about all that the file holds. */
function invalidAt(path: string, spelling: string, reason: string): HeadraceError {
  if (spelling === '') return invalid(path, reason);
  return new HeadraceError('INVALID_SETTING', `"${spelling}" in the settings file ${path} ${reason}`);
}

function invalid(path: string, reason: string): HeadraceError {
  return new HeadraceError('INVALID_SETTING', `the settings file ${path} ${reason}`);
}
