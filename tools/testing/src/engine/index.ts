export { requireEngine, type SkipTest, skipOutsideCi } from '../test-needs.ts';
export { emulateArm } from './emulation.ts';
export {
  type EngineAvailability,
  type EngineEnvironment,
  engineEnvironment,
  layoutFrom,
} from './environment.ts';
export { EngineError, type EngineErrorCode } from './errors.ts';
export { exitProgram, makingProgram } from './exit-program.ts';
export { DEFAULT_HOME } from './layout.ts';
export { buildNodeStandIn } from './node-stand-in.ts';
export { type UsedEngine, useEngine } from './use-engine.ts';
