/** Objects that are in the UFS before anybody reads them. */
import { MIB } from '../../src/core/units.js';
import { BUCKET, EngineWorld } from '../support/engine-world.js';

/** A world in whose UFS are objects that nobody here wrote; and the calls that it counts. */
export async function worldWith(
  objects: Readonly<Record<string, Uint8Array>>,
  options: Parameters<typeof EngineWorld.open>[0] = {},
): Promise<EngineWorld> {
  const world = await EngineWorld.open({
    ...options,
    engine: { capacityBytes: 64 * MIB, ...options.engine },
  });
  for (const [key, bytes] of Object.entries(objects)) world.ufs.putOutOfBand(BUCKET, key, bytes);
  return world;
}
