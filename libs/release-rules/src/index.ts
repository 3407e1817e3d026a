export { ReleaseRulesError, type ReleaseRulesErrorCode } from './errors.ts';
export { previousTag } from './previous.ts';
export { type PlannedTag, planTags, type TagFacts, type TagOptions, type TagSpelling } from './tags.ts';
export {
  type BuildVersion,
  DEVELOPMENT_VERSION,
  isPrerelease,
  isReleaseVersion,
  parseReleaseVersion,
  type ReleaseVersion,
  type VersionFacts,
  versionFromFacts,
} from './version.ts';
