import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { CHECKSUMS_FILE, executableName, parseChecksums, parsePlatform } from '@prebuilt/nx/artifacts';
import {
  type EngineEnvironment,
  engineEnvironment,
  requireEngine,
  skipOutsideCi,
} from '@prebuilt/testing/engine';
import { freePort } from '@prebuilt/testing/free-port';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { bootstrappedClone, type Clone, cloneWithPackages } from './testing/clone.ts';
import { HangingMount } from './testing/hanging-mount.ts';
import { indexDigest, sha256Of, type UnpackedImage, unpackImage } from './testing/image.ts';
import { readTrace } from './testing/strace.ts';
import { missingProgram, runOk, THIS_WORKSPACE, userEnvironment } from './testing/workspace.ts';

const ARCHITECTURES = ['amd64', 'arm64'] as const;
const IMAGE = 'release:docker-release';
const VERSION = '1.2.3';
const COMPILERS = /^(bun|tsc|esbuild|swc|go|compile|link|cargo|rustc|gcc|g\+\+|cc|cc1|clang|ld|as|collect2)$/;

const engine = await engineEnvironment();
const missingReader = await missingProgram('skopeo', 'umoci');
const missingTracer = await missingProgram('strace');

// The npm packages are those that ./bootstrap has installed in this workspace, as in a fresh clone in CI.
describe('a fresh clone', { timeout: 600_000 }, () => {
  let clone: Clone;
  const withoutEngine = new Map<string, UnpackedImage>();
  const dist = (...names: readonly string[]) => join(clone.root, 'dist', ...names);

  beforeAll(async () => {
    clone = await cloneWithPackages();
    await runOk(clone.root, 'git', ['tag', `v${VERSION}`]);
  });
  afterAll(() => clone?.[Symbol.asyncDispose]());

  it('the README’s first command builds a verified multi-arch image without an engine', async () => {
    const command = await readmeCommand();
    expect(command).toEqual(['./bootstrap', 'npx nx run release:docker-release']);
    for (const part of command) {
      const [file = '', ...args] = part.split(' ');
      await runOk(clone.root, file, args);
    }
    expect(await indexDigest(dist('oci'))).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  it('a released executable prints the version of its tag on both platforms', async () => {
    for (const architecture of ARCHITECTURES) {
      expect(await versionOf(clone.root, architecture)).toBe(`mount-monitor ${VERSION}`);
    }
  });

  it.for(ARCHITECTURES)(
    'skopeo and umoci find the executable from checksums.txt in the image for %s',
    async (architecture, { skip }) => {
      if (missingReader !== undefined) skipOutsideCi(missingReader, skip);
      const sums = parseChecksums(await readFile(dist('bin', CHECKSUMS_FILE), 'utf8'), CHECKSUMS_FILE);
      const name = executableName('mount-monitor', parsePlatform(`linux/${architecture}`));
      const expected = sums.find(({ path }) => path === name)?.sha256;
      expect(expected).toBe(await sha256Of(dist('bin', name)));
      const image = await unpackImage(dist('oci'), architecture);
      withoutEngine.set(architecture, image);
      expect(image).toMatchObject({
        architecture,
        executable: expected,
        labels: { 'org.opencontainers.image.version': VERSION },
      });
    },
  );

  it('a clone in another folder without the tag builds the same bytes and the same image from RELEASE_VERSION', async () => {
    await using other = await bootstrappedClone(clone.root);
    await runOk(other.root, 'npx', ['nx', 'run', IMAGE], { ...userEnvironment(), RELEASE_VERSION: VERSION });
    for (const file of ['bin/checksums.txt', 'bin/manifest.json']) {
      expect(await readFile(join(other.root, 'dist', file), 'utf8')).toBe(await readFile(dist(file), 'utf8'));
    }
    expect(await sha256Of(join(other.root, 'dist/bin/mount-monitor-linux-amd64'))).toBe(
      await sha256Of(dist('bin/mount-monitor-linux-amd64')),
    );
    expect(await indexDigest(join(other.root, 'dist/oci'))).toBe(await indexDigest(dist('oci')));
  });

  describe('with an engine', () => {
    let environment: EngineEnvironment;
    let byBuildx: string | undefined;
    beforeEach(({ skip }) => {
      environment = requireEngine(engine, skip);
    });

    it('only node, docker and buildx run while the image is built', async ({ skip }) => {
      if (missingTracer !== undefined) skipOutsideCi(missingTracer, skip);
      const folder = await mkdtemp(join(tmpdir(), 'strace-'));
      try {
        const log = join(folder, 'trace');
        const options = [
          '--follow-forks',
          '--seccomp-bpf',
          '--quiet=all',
          '--trace=execve,clone,clone3,fork,vfork',
          '--string-limit=4096',
        ];
        const command = [
          'npx',
          'nx',
          'run',
          IMAGE,
          '--builder=buildx',
          '--exclude-task-dependencies',
          '--skip-nx-cache',
        ];
        await runOk(clone.root, 'strace', [...options, `--output=${log}`, ...command], {
          ...userEnvironment(),
          ...environment,
        });
        byBuildx = await indexDigest(dist('oci'));
        const programs = readTrace(await readFile(log, 'utf8'));
        expect(programs.map(nameOf).filter((name) => COMPILERS.test(name))).toEqual([]);

        // Nx runs the task in a separate process; everything else that it runs is for its cache key.
        const executor = programs.find(({ args }) =>
          args.some((argument) => argument.endsWith('/run-executor.js')),
        );
        expect(executor).toBeDefined();
        const below = programs.filter(({ ancestry }) => ancestry.includes(executor?.pid ?? 0));
        expect([...new Set(below.map(nameOf))].sort()).toEqual(['docker', 'docker-buildx', 'node']);

        const contexts = below.flatMap(({ path, args }) =>
          basename(path) === 'docker' && args[2] === 'build' ? [args.at(-1)] : [],
        );
        // The platforms are built in parallel: either may come first.
        expect(contexts.sort()).toEqual(
          ARCHITECTURES.map((each) => expect.stringMatching(`^context-.*-linux-${each}$`)),
        );
      } finally {
        await rm(folder, { recursive: true });
      }
    });

    it.for(ARCHITECTURES)(
      'buildx builds the same image for %s as the daemonless builder',
      async (architecture, { skip }) => {
        if (missingReader !== undefined) skipOutsideCi(missingReader, skip);
        expect(await indexDigest(dist('oci'))).toBe(byBuildx);
        expect(await unpackImage(dist('oci'), architecture)).toEqual(withoutEngine.get(architecture));
      },
    );

    it.for(ARCHITECTURES)(
      'docker runs the image for %s as user 65534 with a read-only root and no capabilities, and it answers requests',
      async (architecture) => {
        const docker = (...args: readonly string[]) =>
          runOk(clone.root, 'docker', args, { ...userEnvironment(), ...environment });
        const tag = `${environment.REGISTRY}/release-chain/mount-monitor:${VERSION}`;
        const toRegistry = [
          'copy',
          '--all',
          '--quiet',
          '--dest-tls-verify=false',
          `oci:${dist('oci')}`,
          `docker://${tag}`,
        ];
        await runOk(clone.root, 'skopeo', toRegistry);
        const platform = `--platform=linux/${architecture}`;
        const hardened = ['--read-only', '--cap-drop=ALL', '--security-opt=no-new-privileges'];
        const options = ['--pull=always', '--quiet', ...hardened, '--network=host', platform];
        const version = await docker('run', '--rm', ...options, tag, '--version');
        expect(version.split('\n')).toContain(`mount-monitor ${VERSION}`);

        const folder = await mkdtemp(join(tmpdir(), 'config-'));
        const config = join(folder, 'config.json');
        await writeFile(config, JSON.stringify({ mounts: [{ path: '/', checkType: 'directory' }] }), {
          mode: 0o644,
        });
        await chmod(folder, 0o755);
        const port = await freePort();
        const name = `release-chain-${architecture}-${process.pid}`;
        try {
          const mount = ['--volume', `${config}:/config.json:ro`];
          await docker(
            'run',
            '--detach',
            `--name=${name}`,
            ...options,
            ...mount,
            tag,
            '--config=/config.json',
            `--http-port=${port}`,
          );
          const pid = await docker('inspect', '--format={{.State.Pid}}', name);
          const status = await readFile(`/proc/${pid.trim()}/status`, 'utf8');
          expect(/^Uid:\t(.*)$/m.exec(status)?.[1]).toBe('65534\t65534\t65534\t65534');
          const answer = async (path: string): Promise<string> => {
            const response = await fetch(`http://127.0.0.1:${port}${path}`);
            return `${response.status} ${await response.text()}`;
          };
          await expect
            .poll(() => answer('/healthz/ready').catch(String), { timeout: 60_000 })
            .toMatch(/^200 /);
          for (const path of ['/healthz/live', '/healthz/self', '/healthz/status']) {
            expect(await answer(path)).toMatch(/^200 /);
          }
          expect(await answer('/version')).toContain(`"${VERSION}"`);
        } finally {
          await docker('rm', '--force', name);
          await rm(folder, { recursive: true });
        }
      },
    );

    it('TERM with a hung mount ends it at once in a shared PID namespace, as PID 1 once the mount recovers', async ({
      skip,
    }) => {
      if (process.getuid?.() !== 0) skipOutsideCi('mounting needs root', skip);
      if (!existsSync('/dev/fuse')) skipOutsideCi('there is no /dev/fuse', skip);
      const docker = (...args: readonly string[]) =>
        runOk(clone.root, 'docker', args, { ...userEnvironment(), ...environment });
      const tag = `${environment.REGISTRY}/release-chain/mount-monitor:${VERSION}`;
      const folder = await mkdtemp(join(tmpdir(), 'hung-'));
      await chmod(folder, 0o755);
      const names: string[] = [];
      const start = async (name: string, mounts: readonly object[], options: readonly string[]) => {
        const config = join(folder, `${name}.json`);
        const settings = { checkInterval: '1s', readTimeout: '500ms', mounts };
        await writeFile(config, JSON.stringify(settings), { mode: 0o644 });
        const port = await freePort();
        names.push(name);
        await docker(
          'run',
          '--detach',
          `--name=${name}`,
          '--read-only',
          '--cap-drop=ALL',
          '--network=host',
          `--platform=linux/${process.arch === 'x64' ? 'amd64' : process.arch}`,
          '--pull=always',
          '--quiet',
          `--volume=${config}:/config.json:ro`,
          ...options,
          tag,
          '--config=/config.json',
          `--http-port=${port}`,
        );
        return async (): Promise<string> => {
          const response = await fetch(`http://127.0.0.1:${port}/healthz/status`);
          return response.text();
        };
      };
      const mount = await HangingMount.mount(join(folder, 'mount'));
      const media = [`--volume=${mount.path}:/media:ro`];
      const [first, shared, holder] = ['first', 'shared', 'holder'].map(
        (each) => `release-chain-${each}-${process.pid}`,
      ) as [string, string, string];
      try {
        await start(holder, [{ path: '/', checkType: 'directory' }], []);
        const asFirst = await start(first, [{ path: '/media' }], media);
        const asOther = await start(shared, [{ path: '/media' }], [...media, `--pid=container:${holder}`]);
        for (const status of [asFirst, asOther]) {
          await expect
            .poll(() => status().catch(String), { timeout: 60_000 })
            .toContain('"status":"healthy"');
        }
        await mount.hang();
        for (const status of [asFirst, asOther]) {
          await expect.poll(() => status().catch(String), { timeout: 60_000 }).toContain('"reason":"hung"');
        }
        await docker('kill', '--signal=TERM', first, shared);
        expect((await docker('wait', shared)).trim()).toBe('0');
        // The kernel keeps the first process of a PID namespace until all others in it are gone.
        expect((await docker('inspect', '--format={{.State.Running}}', first)).trim()).toBe('true');
        await mount.letGo();
        expect((await docker('wait', first)).trim()).toBe('0');
      } finally {
        await mount.letGo();
        for (const name of names) await docker('rm', '--force', name);
        await mount[Symbol.asyncDispose]();
        await rm(folder, { recursive: true });
      }
    });
  });
});

function nameOf({ path }: { readonly path: string }): string {
  return basename(path);
}

async function readmeCommand(): Promise<readonly string[]> {
  const readme = await readFile(join(THIS_WORKSPACE, 'README.md'), 'utf8');
  const line = /^(\.\/bootstrap && [^#\n]*docker-release)/m.exec(readme)?.[1] ?? '';
  return line.split(' && ').map((part) => part.trim());
}

async function versionOf(root: string, architecture: (typeof ARCHITECTURES)[number]): Promise<string> {
  const executable = join(root, `dist/bin/mount-monitor-linux-${architecture}`);
  const host = process.arch === 'x64' ? 'amd64' : 'arm64';
  if (architecture === host) return (await runOk(root, executable, ['--version'])).trim();
  const lock = JSON.parse(await readFile(join(root, 'prebuilt.lock.json'), 'utf8'));
  const pin = lock.emulators[`linux/${host}`][`linux/${architecture}`];
  const emulator = join(root, '.cache/prebuilt/emulators', pin.sha256, pin.executable.path);
  const args = ['-L', join(root, `dist/bin/runtime-linux-${architecture}`), executable, '--version'];
  return (await runOk(root, emulator, args)).trim();
}
