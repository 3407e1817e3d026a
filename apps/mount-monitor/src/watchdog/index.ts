export { type Environment, parseEnvironment } from './environment.ts';
export {
  exitModeCode,
  gaveUpCode,
  type Outcome,
  restartOutcomes,
  type UnhealthyMount,
  type WatchdogState,
  watchdogStates,
} from './machine-types.ts';
export {
  createWatchdog,
  type Watchdog,
  type WatchdogClock,
  type WatchdogMetrics,
  type WatchdogOptions,
  type WatchdogStatus,
} from './watchdog.ts';
