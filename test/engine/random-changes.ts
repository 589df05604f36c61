/** Clients that put and delete at random, and what the newest version of each key is then. */
import type { EngineWorld } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

const BODY_BYTES_MAX = 6000;

/** Puts or deletes one of `key-0` to `key-<last>`, as the world's seed has it; undefined in `newest` says that it was deleted. */
export async function changeAtRandom(
  world: EngineWorld,
  newest: Map<string, Buffer | undefined>,
  { last, deletesOneIn }: { readonly last: number; readonly deletesOneIn: number },
): Promise<void> {
  const { random } = world;
  const key = `key-${random.between(0, last)}`;
  if (random.between(0, deletesOneIn - 1) === 0) {
    await world.delete(key);
    newest.set(key, undefined);
    return;
  }
  const bytes = makeBody(random.between(1, 1_000_000), random.between(1, BODY_BYTES_MAX));
  await world.put(key, bytes);
  newest.set(key, bytes);
}
