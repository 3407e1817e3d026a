export { PrebuiltError, type PrebuiltErrorCode } from '../errors.ts';
export { CHECKSUMS_FILE, type Checksum, formatChecksums, parseChecksums } from './checksums.ts';
export {
  type ExecutableFacts,
  executableName,
  executablesOf,
  formatManifest,
  isInnerPath,
  MANIFEST_FILE,
  type Manifest,
  type ManifestFile,
  type PlatformArtifact,
  parseManifest,
  type RuntimeFile,
  readManifest,
  runtimeFolderName,
} from './manifest.ts';
export {
  debianArchitectureOf,
  hostPlatform,
  PLATFORMS,
  type Platform,
  type PlatformParts,
  parsePlatform,
  parsePlatforms,
  platformParts,
  platformSuffix,
  qemuNameOf,
} from './platform.ts';
export {
  type AttachmentRecord,
  formatPublishRecord,
  PUBLISH_RECORD_FILE,
  type PublishedImage,
  type PublishRecord,
  parsePublishRecord,
} from './publish-record.ts';
export {
  type Finding,
  formatReport,
  parseReport,
  readReport,
  readReportFile,
  reportFileName,
  requirePassingReport,
  type VerifyReport,
  type VerifyReportFile,
} from './verify-report.ts';
