import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { engineEnvironment, requireEngine, type SkipTest, skipOutsideCi } from '@prebuilt/testing/engine';
import {
  type DebianRegistry,
  type FaultProxy,
  findDebianRegistry,
  makeTestAuthority,
  type Obstacle,
  REGISTRY_USER,
  type Step,
  startDebianRegistry,
  startFaultProxy,
  startTokenServer,
  type TestAuthority,
  type TokenServer,
} from '@prebuilt/testing/registry';
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type PublishRecord, parsePublishRecord } from '../src/artifacts/publish-record.ts';
import { publish } from '../testing/publish.ts';
import { type PublishWorkspace, publishWorkspace } from '../testing/publish-workspace.ts';

const WRITES = /^(?:PUT|PATCH|POST|DELETE) /;
const program = await findDebianRegistry();

function requireRegistry(skip: SkipTest): string {
  return (
    program ??
    skipOutsideCi(
      "docker-registry is missing; start the project's engine as root: npm run engine -- up",
      skip,
    )
  );
}

async function readRecord(workspace: PublishWorkspace): Promise<PublishRecord> {
  const path = join(workspace.root, 'dist/publish/record.json');
  return parsePublishRecord(await readFile(path, 'utf8'), path);
}

let folder: string;
let workspace: PublishWorkspace;
const registries: DebianRegistry[] = [];

beforeEach(async ({ skip }) => {
  requireRegistry(skip);
  folder = await mkdtemp(join(tmpdir(), 'registry-'));
  workspace = await publishWorkspace({ version: '1.2.3' });
});
afterEach(async () => {
  await Promise.all(registries.splice(0).map((registry) => registry.stop()));
  await workspace?.remove();
  if (folder) await rm(folder, { recursive: true, force: true });
});

async function start(
  options: Omit<Parameters<typeof startDebianRegistry>[1], 'folder'> = {},
): Promise<DebianRegistry> {
  const own = await mkdtemp(join(folder, 'data-'));
  const registry = await startDebianRegistry(program ?? '', { ...options, folder: own });
  registries.push(registry);
  return registry;
}

describe("publishing to Debian's registry", () => {
  it('publishing to Debian’s registry sends everything once, nothing again, and only the changes of the next version', async () => {
    const registry = await start();
    const image = `${registry.host}/owner/app`;
    expect(await publish(workspace, image)).toMatchObject({ success: true });
    const first = await readRecord(workspace);
    // Two configurations, two programs, and the library's layer that both platforms share.
    expect(first.images[0]).toMatchObject({
      blobsSent: 5,
      blobsSkipped: 0,
      bytesSkipped: 0,
      sbom: { listedBy: 'tag' },
    });

    // It can't create tags by digest: that is tried once, with the tag that lists the bill of materials.
    const puts = (await registry.requests()).flatMap(
      (line) => /^PUT .*\/manifests\/(.+)$/.exec(line)?.[1] ?? [],
    );
    expect(puts.filter((reference) => reference.startsWith('sha256:'))).toHaveLength(2 + 1 + 1 + 1);
    expect(puts.slice(-6)).toEqual([
      workspace.index.digest.replace(':', '-'),
      ...['1.2.3', 'v1.2.3', '1.2', '1', 'latest'],
    ]);

    const before = (await registry.requests()).length;
    expect(await publish(workspace, image)).toMatchObject({ success: true });
    const writes = (await registry.requests()).slice(before).filter((line) => WRITES.test(line));
    expect(writes).toEqual([
      'POST /v2/owner/app/blobs/uploads/',
      expect.stringMatching(/^DELETE \/v2\/owner\/app\/blobs\/uploads\//),
    ]);
    expect((await readRecord(workspace)).images[0]).toMatchObject({
      blobsSent: 0,
      bytesSent: 0,
      blobsSkipped: 5,
    });

    await workspace.release({ version: '1.2.4' });
    expect(await publish(workspace, image)).toMatchObject({ success: true });
    const next = await readRecord(workspace);
    expect(next.images[0]).toMatchObject({ blobsSent: 4, blobsSkipped: 1 });
    expect(next.images[0]?.tags.map(({ tag, outcome }) => `${tag} ${outcome}`)).toEqual([
      '1.2.4 moved',
      'v1.2.4 moved',
      '1.2 moved',
      '1 moved',
      'latest moved',
    ]);
  });

  it('publishing to two registries at once mounts what another repository in the same registry has', async () => {
    const [one, two] = [await start(), await start()];
    const images = [`${one.host}/owner/app`, `${two.host}/owner/app`, `${one.host}/mirror/app`];
    expect(await publish(workspace, images.join(','))).toMatchObject({ success: true });
    const record = await readRecord(workspace);
    expect(record.images.map(({ repository, blobsSent }) => [repository, blobsSent])).toEqual([
      [images[0], 5],
      [images[1], 5],
      [images[2], 0],
    ]);
    expect(new Set(record.images.map(({ reference }) => reference.split('@')[1]))).toEqual(
      new Set([record.indexDigest]),
    );
  });

  it('publishing to Debian’s registry with --dry-run only reads, and prints the plan that the real run follows', async () => {
    const registry = await start();
    const image = `${registry.host}/owner/app`;
    const planned = await publish(workspace, image, { dryRun: true });
    expect(planned.success).toBe(true);
    const requests = await registry.requests();
    expect(requests.length).toBeGreaterThan(0);
    expect(requests.filter((line) => WRITES.test(line))).toEqual([]);
    expect(await workspace.leftovers()).toEqual([]);
    const done = await publish(workspace, image);
    expect(done.success).toBe(true);
    const [plan = '', end] = planned.output.split('dry run: ');
    expect(end?.trim()).toBe('only read from the registry');
    expect(done.output.startsWith(plan)).toBe(true);
    expect(planned.output).toContain('move   latest  (1.2.3 is the highest stable version)');
  });

  it('an image published to Debian’s registry can be read with skopeo by tag and digest, for each platform', async ({
    skip,
  }) => {
    const found = await execa('skopeo', ['--version'], { reject: false });
    if (found.failed) skipOutsideCi('skopeo is missing: apt-get install skopeo', skip);
    const registry = await start();
    const image = `${registry.host}/owner/app`;
    expect(await publish(workspace, image)).toMatchObject({ success: true });
    for (const reference of [`${image}:1.2.3`, `${image}:latest`, `${image}@${workspace.index.digest}`]) {
      for (const architecture of ['amd64', 'arm64']) {
        const args = [
          '--override-os=linux',
          `--override-arch=${architecture}`,
          'inspect',
          '--tls-verify=false',
          '--config',
        ];
        const { stdout } = await execa('skopeo', [...args, `docker://${reference}`]);
        expect(JSON.parse(stdout)).toMatchObject({
          architecture,
          config: { Entrypoint: ['/app'], User: '65534' },
        });
      }
    }
    const copied = join(folder, 'copy');
    await execa('skopeo', [
      'copy',
      '--all',
      '--src-tls-verify=false',
      `docker://${image}:1`,
      `oci:${copied}:x`,
    ]);
    const { manifests } = JSON.parse(await readFile(join(copied, 'index.json'), 'utf8'));
    expect(manifests[0].digest).toBe(workspace.index.digest);
  });

  it('an image published to Debian’s registry is pulled and run by the engine, for both platforms, by tag and digest', async ({
    skip,
  }) => {
    const environment = requireEngine(await engineEnvironment(), skip);
    const image = `${environment.REGISTRY}/publish-test-${process.pid}/app`;
    expect(await publish(workspace, image)).toMatchObject({ success: true });
    const docker = (...args: readonly string[]) =>
      execa('docker', [...args], { env: { ...environment }, timeout: 60_000 });
    for (const reference of [`${image}:1.2.3`, `${image}@${workspace.index.digest}`]) {
      for (const platform of ['linux/amd64', 'linux/arm64']) {
        const { stdout } = await docker(
          'run',
          '--rm',
          '--read-only',
          '--pull=always',
          '--quiet',
          `--platform=${platform}`,
          reference,
        );
        expect(stdout.trim()).toBe('1.2.3');
      }
      await docker('image', 'rm', '--force', reference);
    }
  });

  it('publishing to Debian’s registry refuses a version that exists with different bytes, and leaves all tags', async () => {
    const registry = await start();
    const image = `${registry.host}/owner/app`;
    expect(await publish(workspace, image)).toMatchObject({ success: true });
    const published = workspace.index.digest;
    const other = await publishWorkspace({ version: '1.2.3', seed: 'other' });
    try {
      const before = (await registry.requests()).length;
      const refused = await publish(other, image);
      expect(refused.success).toBe(false);
      expect(refused.output).toContain(
        `error TAG_EXISTS: ${image}:1.2.3: expected no such tag or ${other.index.digest}, found ${published}`,
      );
      expect((await registry.requests()).slice(before).filter((line) => WRITES.test(line))).toEqual([]);
      expect(await publish(other, image, { allowRetag: true })).toMatchObject({ success: true });
    } finally {
      await other.remove();
    }
  });

  it('publishing to Debian’s registry moves only the tags that a backport or a prerelease may move', async () => {
    const registry = await start();
    const image = `${registry.host}/owner/app`;
    const moved = async (version: string): Promise<string> => {
      await workspace.release({ version, executableSize: 20_000 });
      expect(await publish(workspace, image)).toMatchObject({ success: true });
      const { images } = await readRecord(workspace);
      return (images[0]?.tags ?? [])
        .flatMap(({ tag, outcome }) => (outcome === 'moved' ? [tag] : []))
        .join(' ');
    };
    expect(await moved('2.0.0')).toBe('2.0.0 v2.0.0 2.0 2 latest');
    expect(await moved('1.9.0')).toBe('1.9.0 v1.9.0 1.9 1');
    expect(await moved('2.1.0-rc.1')).toBe('2.1.0-rc.1 v2.1.0-rc.1');
  });
});

describe("a killed publish to Debian's registry", () => {
  const PROCESS = join(import.meta.dirname, '../testing/publish-process.ts');
  const BYTES = 24_000_000;
  let proxy: FaultProxy | undefined;
  afterEach(async () => {
    await proxy?.close();
    proxy = undefined;
  });

  // The registry's open uploads after the process was killed at a given step.
  async function killed(
    registry: DebianRegistry,
    through: FaultProxy,
    at: { readonly step: Step; readonly nth: number; readonly obstacle: Obstacle },
  ): Promise<ReadonlyMap<string, number>> {
    const child = execa(
      process.execPath,
      [
        PROCESS,
        workspace.root,
        JSON.stringify(workspace.options(`${through.host}/owner/app`, { concurrency: 1 })),
      ],
      { env: { ...workspace.environment }, reject: false, timeout: 60_000 },
    );
    const ended = new AbortController();
    through.inject((step, nth) => {
      if (step !== at.step || nth !== at.nth) return undefined;
      if (at.obstacle === 'half-sent') killAmidBytes(registry, child, ended.signal);
      else child.kill('SIGKILL');
      return at.obstacle;
    });
    const { isTerminated, stdout } = await child;
    ended.abort();
    expect(isTerminated, stdout).toBe(true);
    return settled(registry);
  }

  async function killAmidBytes(
    registry: DebianRegistry,
    child: { kill(signal: 'SIGKILL'): boolean },
    ended: AbortSignal,
  ): Promise<void> {
    while (!ended.aborted) {
      const sizes = [...(await registry.openUploads('owner/app')).values()];
      if (sizes.some((size) => size > 100_000)) child.kill('SIGKILL');
      await sleep(10);
    }
  }

  // The registry writes what it has received, and notices only later that nothing more is coming.
  async function settled(registry: DebianRegistry): Promise<ReadonlyMap<string, number>> {
    let before: ReadonlyMap<string, number> | undefined;
    for (const until = Date.now() + 30_000; Date.now() < until; ) {
      const found = await registry.openUploads('owner/app');
      if (before !== undefined && isDeepStrictEqual(before, found)) return found;
      before = found;
      await sleep(500);
    }
    throw new Error('the registry is still writing to an upload 30 s after the publisher was killed');
  }

  it.each([
    ['before any byte of a blob is sent', { step: 'upload PATCH', nth: 3, obstacle: 'refused' }, [0, 0], 0],
    [
      'while sending a blob',
      { step: 'upload PATCH', nth: 3, obstacle: 'half-sent' },
      [100_001, BYTES - 1],
      1,
    ],
    [
      'after the last byte of a blob',
      { step: 'upload PUT', nth: 3, obstacle: 'refused' },
      [BYTES, 2 * BYTES],
      0,
    ],
    [
      'before it receives an upload’s URL',
      { step: 'upload POST', nth: 4, obstacle: 'reset-in-response' },
      [0, 0],
      1,
    ],
  ] as const)(
    'a publish killed %s is completed by a rerun, which leaves no upload whose URL it could know',
    async (_, at, [fewest, mostBytes], most) => {
      await workspace.release({ version: '1.2.4', executableSize: BYTES });
      const registry = await start({ relativeUrls: true });
      proxy = await startFaultProxy(registry.host);
      const abandoned = await killed(registry, proxy, at);
      const [bytes = -1] = [...abandoned.values()];
      expect(abandoned.size).toBe(1);
      expect(bytes).toBeGreaterThanOrEqual(fewest);
      expect(bytes).toBeLessThanOrEqual(mostBytes);
      proxy.inject(() => undefined);
      const again = await publish(workspace, `${proxy.host}/owner/app`);
      expect(again.output).not.toContain('error');
      expect(again.success).toBe(true);
      expect(await workspace.leftovers()).toEqual(['record.json']);
      const left = [...(await registry.openUploads('owner/app')).keys()];
      expect(left.length).toBeLessThanOrEqual(most);
      expect([...abandoned.keys()]).toEqual(expect.arrayContaining(left));
    },
    120_000,
  );
});

describe('credentials', () => {
  let authority: TestAuthority;
  let tokens: TokenServer;
  let keys: string;

  beforeAll(async () => {
    keys = await mkdtemp(join(tmpdir(), 'authority-'));
    authority = await makeTestAuthority(keys);
    const { password } = REGISTRY_USER;
    tokens = await startTokenServer(authority, {
      publisher: { password, actions: ['pull', 'push'] },
      reader: { password, actions: ['pull'] },
      late: { password, actions: ['pull', 'push'], tokenSeconds: -600 },
    });
  });
  afterAll(async () => {
    await tokens.close();
    await rm(keys, { recursive: true, force: true });
  });

  const secrets = (user: string, password: string): readonly string[] => [
    password,
    Buffer.from(`${user}:${password}`).toString('base64'),
  ];

  async function attempt(auth: 'passwords' | 'tokens', user: string, password: string) {
    const registry = await start({
      tls: authority,
      ...(auth === 'passwords' ? { passwords: true } : { tokens }),
    });
    const environment = { ...workspace.environment, REGISTRY_USERNAME: user, REGISTRY_PASSWORD: password };
    const commands: string[] = [];
    const watch = setInterval(async () => {
      commands.push((await execa('ps', ['-eo', 'args'], { reject: false })).stdout);
    }, 200);
    const result = await publish(
      workspace,
      `${registry.host}/owner/app`,
      { caFile: authority.caFile },
      { environment },
    ).finally(() => clearInterval(watch));
    const record = await readFile(join(workspace.root, 'dist/publish/record.json'), 'utf8').catch(() => '');
    for (const secret of secrets(user, password)) {
      expect(`${result.output}${record}${commands.join('\n')}`).not.toContain(secret);
    }
    const writes = (await registry.requests()).filter((line) => /^(?:PUT|PATCH) /.test(line));
    return { ...result, writes };
  }

  it.each(['passwords', 'tokens'] as const)(
    'correct credentials publish over TLS with a private certificate authority: %s',
    async (auth) => {
      const { username, password } = REGISTRY_USER;
      const result = await attempt(auth, username, password);
      expect(result.output).not.toContain('error');
      expect(result.success).toBe(true);
    },
  );

  it.each([
    ['wrong', 'passwords', 'publisher', 'canary-password-wrong', 'status 401'],
    [
      'wrong for a token',
      'tokens',
      'publisher',
      'canary-password-wrong',
      'status 401: UNAUTHORIZED: incorrect name or password',
    ],
    [
      'for a user who may only pull',
      'tokens',
      'reader',
      REGISTRY_USER.password,
      'status 401: UNAUTHORIZED: authentication required',
    ],
    [
      'for an expired token',
      'tokens',
      'late',
      REGISTRY_USER.password,
      'status 401: UNAUTHORIZED: authentication required',
    ],
  ] as const)(
    'credentials that are %s fail before any byte is sent',
    async (_, auth, user, password, said) => {
      const result = await attempt(auth, user, password);
      expect(result.success).toBe(false);
      expect(result.output).toContain('error REGISTRY_UNAUTHORIZED');
      expect(result.output).toContain(said);
      expect(result.output).toContain('docker login');
      expect(result.writes).toEqual([]);
    },
  );

  it('credentials are not sent to a registry with a certificate from an unknown authority', async () => {
    const registry = await start({ tls: authority, passwords: true });
    const environment = {
      ...workspace.environment,
      REGISTRY_USERNAME: 'publisher',
      REGISTRY_PASSWORD: 'canary-password',
    };
    const other = await mkdtemp(join(folder, 'other-'));
    const stranger = await makeTestAuthority(other);
    const result = await publish(
      workspace,
      `${registry.host}/owner/app`,
      { caFile: stranger.caFile },
      { environment },
    );
    expect(result.success).toBe(false);
    expect(result.output).toContain('--ca-file');
  });
});
