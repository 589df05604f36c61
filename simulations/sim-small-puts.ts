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
  readonly #running = new Map<number, AbortController>();
  #begun = 0;

  constructor(store: Pick<ObjectStore, 'put'>, random: SimRandom) {
    this.#store = store;
    this.#random = random;
  }

  begin(request: SmallPutRequest, receiver: SmallPutReceiver): number | undefined {
    if (this.#random.chance(REFUSED_SHARE)) return undefined;
    const number = ++this.#begun;
    const bytes = Uint8Array.from(request.bytes);
    const controller = new AbortController();
    this.#running.set(number, controller);
    const open = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
      yield bytes;
    };
    this.#store.put({ ...request, size: bytes.length, bytes, open }, controller.signal).then(
      ({ etag, storeEtag }) => {
        this.#running.delete(number);
        receiver.stored(etag, storeEtag);
      },
      (error: unknown) => {
        this.#running.delete(number);
        receiver.failed(error);
      },
    );
    return number;
  }

  cancel(number: number): void {
    this.#running.get(number)?.abort();
  }
}
