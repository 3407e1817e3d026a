import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** An npm registry on loopback that has only what is published to it. Disposing of it deletes everything. */
export interface PackageRegistry extends AsyncDisposable {
  /** Its address, without a slash at the end. */
  readonly url: string;
  /** Lines for an npmrc that let anyone publish to it. */
  readonly npmrc: string;
}

/**
 * Starts Verdaccio from the folder of its package. It has no uplink: for other scopes, package managers go directly to
 * the registry that npm is configured for.
 */
export async function startPackageRegistry(verdaccio: string): Promise<PackageRegistry> {
  const { runServer }: { runServer(configuration: object): Promise<Server> } = createRequire(import.meta.url)(
    verdaccio,
  );
  const storage = await mkdtemp(join(tmpdir(), 'package-registry-'));
  const server = await runServer({
    storage: join(storage, 'storage'),
    // As for a configuration file: relative paths are resolved against its folder.
    configPath: join(storage, 'config.yaml'),
    self_path: storage,
    uplinks: {},
    packages: { '**': { access: '$all', publish: '$all', unpublish: '$all' } },
    log: { type: 'stdout', format: 'pretty', level: 'fatal' },
    web: { enable: false },
    max_body_size: '50mb',
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `http://${host}`,
    // npm does not publish without a token, and this registry accepts any.
    npmrc: `//${host}/:_authToken=any\n`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(storage, { recursive: true, force: true });
    },
  };
}
