export type { FakeRegistryOptions } from './behaviour.ts';
export { type FakeRegistry, startFakeRegistry } from './fake-registry.ts';
