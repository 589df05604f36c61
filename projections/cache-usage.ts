/** Projection: how many objects the cache holds, and their bytes. */
import type { DataEvent } from '../log/events.js';

export interface CacheUsage {
  objects: number;
  objectBytes: number;
}

export function emptyCacheUsage(): CacheUsage {
  return { objects: 0, objectBytes: 0 };
}

/** Folds one event into the counts, in place. */
export function foldCacheUsage(usage: CacheUsage, event: DataEvent): void {
  switch (event.type) {
    case 'ObjectCommitted':
      usage.objectBytes += event.object.size - (event.replaced?.size ?? 0);
      if (event.replaced === undefined) usage.objects += 1;
      return;
    case 'ObjectDeleted':
      if (event.replaced === undefined) return;
      usage.objects -= 1;
      usage.objectBytes -= event.replaced.size;
      return;
    case 'PersistDiscarded':
      if (event.deletion) return;
      usage.objects -= 1;
      usage.objectBytes -= event.size;
      return;
    case 'ObjectEvicted':
      usage.objects -= 1;
      usage.objectBytes -= event.size;
      return;
    default:
      return;
  }
}
