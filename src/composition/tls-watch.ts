/**
 * Keeps a TLS endpoint's certificate as its files have it, without a restart: certificates are renewed every few weeks.
 *
 * The files are read again every few seconds, which works on every file system and with every way of replacing a file. Between the
 * replacement of one file and of the other the two do not belong together: the old pair is served until they do.
 */
import { checkTlsPair, readTlsFiles, type TlsFiles, type TlsPair } from '../adapters/tls-files.js';
import type { Logger } from '../core/logger.js';
import type { Cancel, Clock } from '../core/ports.js';
import { SECOND_MS } from '../core/units.js';

const PERIOD_MS = 5 * SECOND_MS;

export class TlsWatch {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #files: TlsFiles;
  readonly #use: (pair: TlsPair) => void;
  #current: TlsPair;
  /** What was last found wrong: said once, not every few seconds. */
  #complaint = '';
  #cancel: Cancel | undefined;
  #stopped = false;

  constructor(
    parts: { readonly clock: Clock; readonly logger: Logger },
    files: TlsFiles,
    current: TlsPair,
    use: (pair: TlsPair) => void,
  ) {
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    this.#files = files;
    this.#current = current;
    this.#use = use;
    this.#again();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #again(): void {
    if (this.#stopped) return;
    this.#cancel = this.#clock.schedule(PERIOD_MS, () => {
      void this.#look().finally(() => this.#again());
    });
  }

  async #look(): Promise<void> {
    try {
      const pair = await readTlsFiles(this.#files);
      const same = pair.certificate === this.#current.certificate && pair.key === this.#current.key;
      if (!same) {
        const description = checkTlsPair(pair, this.#files);
        this.#use(pair);
        this.#current = pair;
        this.#logger.info({ certificate: description }, 'the TLS certificate was replaced');
      }
      this.#complaint = '';
    } catch (error) {
      const complaint = error instanceof Error ? error.message : String(error);
      if (complaint === this.#complaint) return;
      this.#complaint = complaint;
      this.#logger.error({ error }, 'the new TLS certificate cannot be used: the old one is served on');
    }
  }
}
