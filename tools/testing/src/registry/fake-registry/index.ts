export type { FakeRegistryOptions } from './behavior.ts';
export { type FakeRegistry, startFakeRegistry } from './fake-registry.ts';
