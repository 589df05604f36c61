/**
 * The small puts of a simulated store: the same puts, with the same faults, told to receivers. One in a few is not taken, as by a
 * store that has too many.
 */
import type { ObjectStore, SmallPutReceiver, SmallPutRequest, SmallPuts } from '../src/core/object-store.js';
import type { SimRandom } from './sim-random.js';

const REFUSED_SHARE = 0.2;

export class SimSmallPuts implements SmallPuts {
  readonly #store: Pick<ObjectStore, 'put'>;
  readonly #random: SimRandom;
  readonly #running = new Map<SmallPutReceiver, AbortController>();

  constructor(store: Pick<ObjectStore, 'put'>, random: SimRandom) {
    this.#store = store;
    this.#random = random;
  }

  begin(request: SmallPutRequest, receiver: SmallPutReceiver): boolean {
    if (this.#random.chance(REFUSED_SHARE)) return false;
    const bytes = Uint8Array.from(request.bytes);
    const controller = new AbortController();
    this.#running.set(receiver, controller);
    const open = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
      yield bytes;
    };
    this.#store.put({ ...request, size: bytes.length, bytes, open }, controller.signal).then(
      ({ etag, storeEtag }) => {
        this.#running.delete(receiver);
        receiver.stored(etag, storeEtag);
      },
      (error: unknown) => {
        this.#running.delete(receiver);
        receiver.failed(error);
      },
    );
    return true;
  }

  cancel(receiver: SmallPutReceiver): void {
    this.#running.get(receiver)?.abort();
  }
}
