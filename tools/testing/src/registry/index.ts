export {
  type DebianRegistry,
  type DebianRegistryOptions,
  findDebianRegistry,
  REGISTRY_USER,
  startDebianRegistry,
} from './debian-registry.ts';
export { type FakeRegistry, type FakeRegistryOptions, startFakeRegistry } from './fake-registry.ts';
export { type Fault, type FaultProxy, type Step, startFaultProxy } from './fault-proxy.ts';
export { sleepingClock } from './sleeping-clock.ts';
export { makeTestAuthority, type TestAuthority } from './test-authority.ts';
export { startTokenServer, type TokenServer } from './token-server.ts';
