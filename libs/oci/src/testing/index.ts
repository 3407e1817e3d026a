export { type FakeRegistry, type FakeRegistryOptions, startFakeRegistry } from './fake-registry/index.ts';
export { type Fault, type FaultProxy, type Step, startFaultProxy } from './fault-proxy.ts';
export { QUIRK_USER, QUIRKS, type Quirk, type QuirkOutcome } from './quirks/index.ts';
export { sleepingClock } from './sleeping-clock.ts';
