export type { CredentialSource, Credentials, RunHelper } from './credentials.ts';
export { credentialSource } from './source.ts';
