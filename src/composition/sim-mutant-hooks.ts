/**
 * Module hooks of a process that simulates one mutant: the text of one compiled module is changed while it is loaded. Nothing
 * registers them but `sim-worker.ts`, and that only when it was told to.
 */
import type { LoadHook } from 'node:module';

/** Where the text is, and what takes its place. */
export interface MutantPatch {
  /** The end of the module's address. */
  readonly module: string;
  readonly find: string;
  readonly replace: string;
}

let patch: MutantPatch | undefined;

export function initialize(given: MutantPatch): void {
  patch = given;
}

export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = await nextLoad(url, context);
  if (patch === undefined || !url.endsWith(`/${patch.module}`)) return loaded;
  const { source } = loaded;
  if (source === undefined) return loaded;
  const text = typeof source === 'string' ? source : Buffer.from(source as Uint8Array).toString('utf8');
  const occurrences = text.split(patch.find).length - 1;
  if (occurrences !== 1)
    throw new Error(
      `${patch.module} holds ${occurrences} times what the mutant replaces, not once: ${patch.find}`,
    );
  return { ...loaded, source: text.replace(patch.find, () => patch?.replace ?? '') };
};
