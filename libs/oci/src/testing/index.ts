export { type FakeRegistry, type FakeRegistryOptions, startFakeRegistry } from './fake-registry.ts';
export { type Fault, type FaultProxy, type Step, startFaultProxy } from './fault-proxy.ts';
export {
  entryBomb,
  type ForgedLayer,
  LAYER_FORGERIES,
  type LayerForgery,
  type PlannedFile,
} from './layer-forgeries.ts';
export { sleepingClock } from './sleeping-clock.ts';
