import { OciError } from '../../errors.ts';
import type { CredentialStore, Environment } from './credentials.ts';
import { normalizeKey } from './keys.ts';

/**
 * `REGISTRY_USERNAME` and `REGISTRY_PASSWORD`, for `REGISTRY_HOST` or, if that is not set, the one registry in use.
 * Throws `CREDENTIALS` if only one of them is set, or if it is unclear which registry they are for.
 */
export function environmentStore(environment: Environment, registries: readonly string[]): CredentialStore {
  const { REGISTRY_USERNAME: username, REGISTRY_PASSWORD: password, REGISTRY_HOST: host } = environment;
  if (!username && !password) return async () => undefined;
  if (!username || !password) {
    throw new OciError(
      'CREDENTIALS',
      'credentials: expected both REGISTRY_USERNAME and REGISTRY_PASSWORD, found one',
      { hint: 'Set both, or neither and use docker login.' },
    );
  }
  const distinct = [...new Set(registries.map(normalizeKey))];
  if (!host && distinct.length > 1) {
    throw new OciError(
      'CREDENTIALS',
      `credentials: REGISTRY_USERNAME and REGISTRY_PASSWORD are for one registry, found ${distinct.join(', ')}`,
      { hint: 'Set REGISTRY_HOST to that registry, and use docker login for the others.' },
    );
  }
  const meant = host ? normalizeKey(host) : distinct[0];
  return async (registry) =>
    normalizeKey(registry) === meant ? { kind: 'basic', username, password } : undefined;
}
