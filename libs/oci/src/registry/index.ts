export { type Artifact, type AttachedArtifact, type AttachmentOutcome, attach } from './attachment.ts';
export {
  type CredentialSource,
  type Credentials,
  credentialSource,
  type RunHelper,
} from './credentials/index.ts';
export { type DocumentSource, type ImageSource, type RemoteImage, readImage } from './image-reading.ts';
export type { PutOutcome, RegistryManifest } from './manifests.ts';
export { withMirrors } from './mirrors.ts';
export { type Referrer, type Referrers, referrersTag } from './referrers.ts';
export { createRepositoryClient, type RepositoryClient } from './repository.ts';
export { DEFAULT_RETRY_LIMITS, type RetryClock, type RetryLimits } from './retry.ts';
export type { TagOutcome } from './tags.ts';
export { createTransport, type Transport } from './transport/index.ts';
export type { UploadOptions, UploadOutcome } from './uploads/index.ts';
