export {
  type EngineAvailability,
  type EngineEnvironment,
  engineEnvironment,
  requireEngine,
  type SkippableTest,
} from './environment.ts';
export { EngineError, type EngineErrorCode } from './errors.ts';
