/** The port to the structured log. pino satisfies it as it is. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** For tests and simulations that do not look at the log. */
export const SILENT_LOGGER: Logger = { debug() {}, info() {}, warn() {}, error() {} };
