import { homedir } from 'node:os';
import { join } from 'node:path';
import { authFileStore } from './auth-file.ts';
import type { CredentialSource, Environment, RunHelper } from './credentials.ts';
import { environmentStore } from './environment.ts';

/**
 * Credentials from the environment, then from the first file that has any for the registry. If `REGISTRY_AUTH_FILE` or,
 * failing that, `DOCKER_CONFIG` is set, it determines the only file; otherwise the files are podman's for this login
 * session, podman's for the user, and Docker's. Throws `CREDENTIALS`; its messages name files and helpers and never
 * contain a secret.
 * https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md
 */
export function credentialSource(options: {
  readonly environment: Environment;
  /** The registries that will be used. */
  readonly registries: readonly string[];
  readonly runHelper: RunHelper;
}): CredentialSource {
  const stores = [
    environmentStore(options.environment, options.registries),
    ...authFiles(options.environment).map((path) => authFileStore(path, options.runHelper)),
  ];
  return async (registry, repository) => {
    for (const store of stores) {
      const found = await store(registry, repository);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

/** The files to look in, in order. */
export function authFiles(environment: Environment): readonly string[] {
  if (environment.REGISTRY_AUTH_FILE) return [environment.REGISTRY_AUTH_FILE];
  if (environment.DOCKER_CONFIG) return [join(environment.DOCKER_CONFIG, 'config.json')];
  const home = environment.HOME || homedir();
  const runtime = environment.XDG_RUNTIME_DIR;
  return [
    runtime
      ? join(runtime, 'containers/auth.json')
      : join('/run/containers', String(process.getuid?.() ?? 0), 'auth.json'),
    join(environment.XDG_CONFIG_HOME || join(home, '.config'), 'containers/auth.json'),
    join(home, '.docker/config.json'),
  ];
}
