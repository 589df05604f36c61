/** What a route's description is made of. */
import { named, record, type Schema } from './api-schemas.js';
import { LINES_TYPE } from './line-stream.js';

export interface RouteText {
  readonly tag: 'Health' | 'Configuration' | 'Objects' | 'Persisting' | 'Jobs' | 'Log' | 'Mounts' | 'Users';
  readonly summary: string;
  readonly description?: string;
  /** Answers by status; the `default` one is always the error. */
  readonly answers: Readonly<Record<number, Answer>>;
}

interface Answer {
  readonly description: string;
  readonly schema?: Schema;
  /** Where it is not, or not only, JSON. */
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}

export const ANY_OBJECT: Schema = { type: 'object' };
export const BINARY: Schema = { type: 'string', contentMediaType: 'application/octet-stream' };

export function json(description: string, schema: Schema): Answer {
  return { description, schema };
}

/** One value, or lines when the client accepts them: progress, then the result or an error. */
export function job(description: string, result: Schema): Answer {
  const line: Schema = {
    description: 'One line each; the last one has `result` or `error`.',
    oneOf: [record({ progress: ANY_OBJECT }), record({ result }), named('Error')],
  };
  return {
    description: `${description} With \`Accept: ${LINES_TYPE}\` progress comes first, a line each.`,
    content: { 'application/json': { schema: result }, [LINES_TYPE]: { schema: line } },
  };
}
