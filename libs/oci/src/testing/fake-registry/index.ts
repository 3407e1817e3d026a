export { type FakeRegistry, startFakeRegistry } from './fake-registry.ts';
export type { FakeRegistryOptions } from './options.ts';
