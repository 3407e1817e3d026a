import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { skipOutsideCi } from '@prebuilt/testing/engine';
import { makeTestAuthority } from '@prebuilt/testing/registry';
import { execa } from 'execa';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readManifest } from '../src/artifacts/manifest.ts';
import { parsePlatform } from '../src/artifacts/platform.ts';
import { planBuild } from '../src/executors/build-binaries/plan.ts';
import { runBuild } from '../src/executors/build-binaries/run.ts';
import { planVerify } from '../src/executors/verify/plan.ts';
import { runVerify, writeReports } from '../src/executors/verify/run.ts';
import { withResolver } from '../src/generators/lock/resolve.ts';
import type { ListedOption } from '../src/image/listed/entries.ts';
import { readListed } from '../src/image/listed/workspace-files.ts';
import { hashPackage } from '../src/lock/debian-package.ts';
import { CACHE_FOLDER, type Lock } from '../src/lock/lock.ts';
import { DEFAULT_TAG_PATTERN } from '../src/version/tag-pattern.ts';
import { makeArchive, serveArchives } from '../testing/debian-archive.ts';
import { release, useRealEngine } from '../testing/release.ts';

await useRealEngine();

const HAS_GO = spawnSync('go', ['version']).status === 0;
const BUILT_INS = ['ca-certificates', 'tzdata', 'users', 'tmp'];

// Reports what it can do. net/http would take half a minute to compile.
const PROGRAM = `package main

import (
	"crypto/tls"
	"fmt"
	"os"
	"os/user"
	"time"
)

var version = "dev"

func main() {
	if len(os.Args) < 2 || os.Args[1][0] == '-' {
		fmt.Println("server", version)
		return
	}
	connection, err := tls.Dial("tcp", os.Args[1], &tls.Config{ServerName: "localhost"})
	if err == nil {
		_, err = connection.Write([]byte("hello"))
	}
	tell("tls", err == nil, err)
	zone, err := time.LoadLocation("Europe/Berlin")
	if err == nil {
		tell("zone", time.Unix(1700000000, 0).In(zone).Format(time.RFC3339), nil)
	} else {
		tell("zone", false, err)
	}
	who, err := user.Current()
	if err == nil {
		tell("user", who.Username, nil)
	} else {
		tell("user", false, err)
	}
	err = os.WriteFile("/tmp/file", []byte("x"), 0o600)
	tell("tmp", err == nil, err)
	err = os.WriteFile("/file", []byte("x"), 0o600)
	tell("root", err == nil, err)
}

func tell(what string, found any, err error) {
	fmt.Println(what, found)
	if err != nil {
		fmt.Fprintln(os.Stderr, what, err)
	}
}
`;

const BY_NAME = `FROM scratch
ARG TARGETARCH
COPY files/ /
COPY --chmod=755 server-linux-\${TARGETARCH} /server
USER nonroot
ENTRYPOINT ["/server"]
`;

let root: string;
let lock: Lock;
let server: Server;
let address: string;
const images: string[] = [];

beforeEach(({ skip }) => {
  if (!HAS_GO) skipOutsideCi('there is no Go: apt-get install golang-go', skip);
});

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'listed-'));
  await mkdir(join(root, 'authority'));
  const authority = await makeTestAuthority(join(root, 'authority'));
  server = createServer({ key: authority.key, cert: authority.cert }, (socket) => {
    socket.on('error', () => undefined).on('data', () => socket.end());
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  await write('apps/server/go.mod', 'module example.com/server\n\ngo 1.18\n');
  await write('apps/server/main.go', PROGRAM);
  await write('package.json', '{}');
  const cacheFolder = join(root, CACHE_FOLDER);
  // No public authority certifies a loopback server, so use a package like Debian's with the test's own authority.
  const { file, ...archive } = await makeArchive(root, 'ca-certificates', {
    'usr/share/ca-certificates/mozilla/Test.crt': await readFile(authority.caFile, 'utf8'),
  });
  const fetch = serveArchives({ ...archive, file });
  const { name: _, ...pin } = { ...archive, contents: await hashPackage(cacheFolder, archive, { fetch }) };
  const zones = await withResolver(
    cacheFolder,
    join(root, 'lock-'),
    () => {},
    (resolver) => resolver.packages('amd64', ['tzdata']),
  );
  lock = { lockVersion: 1, distribution: 'debian', data: { ...zones, 'ca-certificates': pin } };
});
afterAll(async () => {
  for (const image of images) await execa('docker', ['image', 'rm', '--force', image], { reject: false });
  server?.close();
  if (root) await rm(root, { recursive: true, force: true });
});

async function write(path: string, content: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), content);
}

/** Builds, verifies, packs and loads the program, and returns the image's name in the engine. */
async function image(files: readonly ListedOption[], dockerfile?: string): Promise<string> {
  const version = '1.2.3';
  const build = {
    name: 'server',
    platforms: ['linux/amd64'],
    toolchain: { name: 'go', folder: 'apps/server' },
    outputPath: 'dist/bin',
    sysrootPackages: [],
    dryRun: false,
  };
  const head = { revision: '0'.repeat(40), date: 1_700_000_000 };
  const facts = {
    version: { releaseVersion: version, tagsAtHead: [], tagPattern: DEFAULT_TAG_PATTERN, head },
    lock,
    listed: await readListed(root, files),
  };
  await runBuild(planBuild(build, root, facts), root, () => {});
  const verify = {
    inputPath: 'dist/bin',
    outputPath: 'dist/verify',
    requireExecution: true,
    printsVersion: true,
    smoke: [['--version']],
    timeout: 60,
    json: false,
  };
  const machine = {
    host: parsePlatform('linux/amd64'),
    emulators: new Map(),
    unfetched: new Set<never>(),
    related: new Set<never>(),
  };
  const manifest = await readManifest(join(root, 'dist/bin'));
  const plan = planVerify(verify, root, manifest, machine);
  await mkdir(join(root, 'dist/verify'), { recursive: true });
  const reports = await runVerify(plan, new AbortController().signal);
  expect(reports).toMatchObject([{ result: 'passed', findings: [] }]);
  await writeReports(join(root, 'dist/verify'), reports);
  if (dockerfile !== undefined) await write('Dockerfile.release', dockerfile);
  const workspace = {
    root,
    manifest: manifest.manifest,
    path: (...parts: readonly string[]) => join(root, ...parts),
    options: () => ({
      builder: 'daemonless' as const,
      compression: 'gzip' as const,
      historyFormat: 'moby-28' as const,
      inputPath: 'dist/bin',
      verifyPath: 'dist/verify',
      outputPath: 'dist/oci',
      requireFullProof: false,
      dryRun: false,
      json: false,
      ...(dockerfile !== undefined && { dockerfile: 'Dockerfile.release' }),
    }),
    remove: async () => {},
  };
  await release(workspace);
  // containerd uses this annotation as the image's name.
  // https://github.com/containerd/containerd/blob/v1.7.27/images/annotations.go
  const name = `listed-files:${process.pid}-${images.length}`;
  const index = JSON.parse(await readFile(join(root, 'dist/oci/index.json'), 'utf8'));
  index.manifests[0].annotations['io.containerd.image.name'] = `docker.io/library/${name}`;
  await writeFile(join(root, 'dist/oci/index.json'), JSON.stringify(index));
  await execa('tar', ['-C', join(root, 'dist/oci'), '-cf', join(root, 'image.tar'), '.']);
  await execa('docker', ['load', '--input', join(root, 'image.tar')]);
  images.push(name);
  return name;
}

/** The program's report from a container on this machine's network. */
async function run(name: string, ...options: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const { stdout } = await execa('docker', ['run', '--rm', '--network=host', ...options, name, address]);
  return Object.fromEntries(stdout.split('\n').map((line) => line.split(' ') as [string, string]));
}

const ABLE = {
  tls: 'true',
  zone: '2023-11-14T23:13:20+01:00',
  user: 'nonroot',
  tmp: 'true',
  root: 'false',
};

describe('a Go server with built-in files', { timeout: 240_000 }, () => {
  it('a Go server with built-in files trusts the bundle, knows Europe/Berlin, is nonroot and writes to /tmp, without a Dockerfile', async () => {
    expect(await run(await image(BUILT_INS))).toEqual(ABLE);
  });

  it('a Go server with built-in files also works as a named user, and if only /tmp is writable', async () => {
    const name = await image(BUILT_INS, BY_NAME);
    const { stdout } = await execa('docker', ['image', 'inspect', '--format', '{{.Config.User}}', name]);
    expect(stdout).toBe('nonroot');
    expect(await run(name)).toEqual(ABLE);
    expect(await run(name, '--read-only', '--tmpfs=/tmp')).toEqual(ABLE);
  });

  it('a Go server without built-in files can do none of this', async () => {
    expect(await run(await image([]))).toEqual({
      tls: 'false',
      zone: 'false',
      user: expect.not.stringContaining('nonroot'),
      tmp: 'false',
      root: 'false',
    });
  });
});
