export {
  type EngineAvailability,
  type EngineEnvironment,
  engineEnvironment,
} from './environment.ts';
export { EngineError, type EngineErrorCode } from './errors.ts';
export { requireEngine, type SkipTest, skipOutsideCi } from './test-needs.ts';
