export { ReleaseRulesError, type ReleaseRulesErrorCode } from './errors.ts';
export {
  type BuildVersion,
  DEVELOPMENT_VERSION,
  isReleaseVersion,
  parseReleaseVersion,
  type ReleaseVersion,
  type VersionFacts,
  versionFromFacts,
} from './version.ts';
