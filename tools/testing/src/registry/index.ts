export {
  type DebianRegistry,
  type DebianRegistryOptions,
  findDebianRegistry,
  REGISTRY_USER,
  startDebianRegistry,
} from './debian-registry.ts';
export { type FakeRegistry, type FakeRegistryOptions, startFakeRegistry } from './fake-registry/index.ts';
export { type Fault, type FaultProxy, type Obstacle, type Step, startFaultProxy } from './fault-proxy.ts';
export { findGoRegistry, type GoRegistry, startGoRegistry } from './go-registry.ts';
export {
  AUTHORIZATION_QUIRKS,
  CONTENT_QUIRKS,
  QUIRK_USER,
  QUIRKS,
  type Quirk,
  type QuirkOutcome,
  REFERRERS_QUIRKS,
  SKOPEO_FAILS,
  TAG_QUIRKS,
  UPLOAD_QUIRKS,
} from './quirks/index.ts';
export { sleepingClock } from './sleeping-clock.ts';
export { makeTestAuthority, type TestAuthority } from './test-authority.ts';
export { startTokenServer, type TokenServer } from './token-server.ts';
