/** Where access keys are looked up: once per signed request, so it must be a look-up in memory. */

export interface Credential {
  readonly secretAccessKey: string;
  /** A disabled key is answered as one that does not exist. */
  readonly enabled: boolean;
  readonly user: string;
}

export interface CredentialStore {
  find(accessKeyId: string): Credential | undefined;
}
