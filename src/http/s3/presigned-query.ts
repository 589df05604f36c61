/**
 * The queries of presigned URLs. A client signs many URLs in the same second, and their queries are the same but for the
 * signature: so the signature is cut out, and what the rest means is parsed once and remembered by its text.
 *
 * Anybody may fill what is remembered, so it is small: at most 1 MiB of texts, the oldest forgotten first.
 */
const SIGNATURE = 'X-Amz-Signature=';
/** Any other value is no signature and stays a parameter like others. */
const SIGNATURE_CHARACTERS = 64;
const AMPERSAND = 0x26;
const QUERIES_MAX = 1000;
const TEXT_CHARACTERS_MAX = 1024;

const queries = new Map<string, ReadonlyMap<string, string>>();

/** The signature of a presigned URL: the first value of its parameter, when it has the length of one. */
export function signatureOfQuery(rawQuery: string): string | undefined {
  const start = findSignature(rawQuery);
  return start < 0 ? undefined : rawQuery.slice(start, start + SIGNATURE_CHARACTERS);
}

/** The query as it came without the parameter that `signatureOfQuery` returns. */
export function withoutSignature(rawQuery: string): string {
  const start = findSignature(rawQuery);
  if (start < 0) return rawQuery;
  const before = start - SIGNATURE.length - 1;
  const end = start + SIGNATURE_CHARACTERS;
  return before < 0 ? rawQuery.slice(end + 1) : rawQuery.slice(0, before) + rawQuery.slice(end);
}

/** The parameters of a query without its signature. The answer is shared by all requests that have the same. */
export function parametersOf(
  rawQuery: string,
  parse: (query: string) => ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const rest = withoutSignature(rawQuery);
  if (rest.length === rawQuery.length || rest.length > TEXT_CHARACTERS_MAX) return parse(rest);
  let query = queries.get(rest);
  if (query === undefined) {
    query = parse(rest);
    if (queries.size >= QUERIES_MAX) forgetOldest();
    queries.set(rest, query);
  }
  return query;
}

function forgetOldest(): void {
  for (const text of queries.keys()) {
    queries.delete(text);
    return;
  }
}

/** Where the signature begins; -1 for none. */
function findSignature(rawQuery: string): number {
  const at = rawQuery.indexOf(SIGNATURE);
  if (at < 0 || (at > 0 && rawQuery.charCodeAt(at - 1) !== AMPERSAND)) return -1;
  const start = at + SIGNATURE.length;
  const end = start + SIGNATURE_CHARACTERS;
  const ampersand = rawQuery.indexOf('&', start);
  return (ampersand < 0 ? rawQuery.length : ampersand) === end && !rawQuery.slice(start, end).includes('%')
    ? start
    : -1;
}
