export type { Environment } from './environment.ts';
export { exitModeCode, type UnhealthyMount } from './machine-types.ts';
export { createWatchdog, type Watchdog } from './watchdog.ts';
