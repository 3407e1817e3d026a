export {
  createRepositoryClient,
  type RegistryManifest,
  type RepositoryClient,
  referrersTag,
  type UploadOutcome,
} from './client.ts';
export { type CredentialSource, credentialSource, type RunHelper } from './credentials.ts';
export { DEFAULT_RETRY_LIMITS, type RetryClock } from './retry.ts';
export { createTransport, type Transport } from './transport.ts';
