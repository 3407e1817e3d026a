import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readImageLayout } from '@prebuilt/oci';
import { makingProgram } from '@prebuilt/testing/engine';
import { type FakeRegistry, startFakeRegistry } from '@prebuilt/testing/registry';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publishRelease } from '../testing/publish-release.ts';
import { release, useRealEngine } from '../testing/release.ts';
import { type ReleaseWorkspace, releaseWorkspace } from '../testing/release-workspace.ts';
import { type BaseFile, type MadeBase, makeBase, putBase } from '../testing/sample-base.ts';

await useRealEngine();

const PROGRAMS = ['sh', 'cat', 'chmod', 'ln', 'mkdir', 'mknod', 'mv', 'rm'];

/** This machine's programs with their libraries, by path in the image: they can be executed without a download. */
async function withLibraries(programs: readonly (readonly [path: string, source: string])[]) {
  const files = new Map(programs);
  for (const [, source] of programs) {
    const { stdout } = await execa('ldd', [source]);
    for (const [library] of stdout.matchAll(/\/\S+/g)) files.set(library.slice(1), library);
  }
  return Promise.all(
    [...files].map(
      async ([path, source]): Promise<BaseFile> => ({ path, content: await readFile(source), mode: '755' }),
    ),
  );
}

async function shellLayer(): Promise<readonly BaseFile[]> {
  const sources = PROGRAMS.map((name) =>
    execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim(),
  );
  return withLibraries(PROGRAMS.map((name, index) => [`bin/${name}`, sources[index] ?? ''] as const));
}

/** An archive in the workspace: `inner/one`, and a link to it. */
async function archive(): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'archive-'));
  try {
    execFileSync('mkdir', [join(folder, 'inner')]);
    await writeFile(join(folder, 'inner/one'), 'one\n');
    execFileSync('ln', ['-s', 'one', join(folder, 'inner/two')]);
    return execFileSync('tar', ['-C', folder, '-cz', 'inner']);
  } finally {
    await rm(folder, { recursive: true });
  }
}

let registry: FakeRegistry;
let base: MadeBase;
let workspace: ReleaseWorkspace;
let from: string;
beforeAll(async () => {
  registry = await startFakeRegistry();
  base = makeBase({
    layers: [
      [
        ...(await shellLayer()),
        { path: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/sh\n' },
        { path: 'etc/group', content: 'root:x:0:\n' },
        { path: 'old/a', content: 'a' },
        { path: 'old/b', content: 'b' },
      ],
    ],
    config: { Env: ['PATH=/opt:/bin'], Cmd: ['sh'] },
    platforms: [{ architecture: 'amd64', os: 'linux' }],
  });
  putBase(registry, 'bases/shell', base);
  from = `${registry.host}/bases/shell@${base.digest}`;
  workspace = await releaseWorkspace({
    dockerfile: 'FROM scratch\nWORKDIR /x\n',
    platforms: ['linux/amd64'],
    listed: {
      entries: [{ path: 'data.tar.gz', to: '/data.tar.gz' }],
      workspace: { 'data.tar.gz': { content: await archive() } },
    },
  });
});
afterAll(async () => {
  await registry.close();
  await workspace.remove();
});

const RUN = 'RUN --network=none';
const build = (lines: readonly string[]) =>
  release(
    workspace,
    { builder: 'auto', dockerfile: 'Dockerfile.release' },
    { dockerfile: Buffer.from([...lines, ''].join('\n')) },
  );
const START = ['COPY --chmod=755 app-linux-amd64 /opt/app', 'COPY runtime-linux-amd64/ /'];

describe('an image with commands from a real builder', () => {
  it('an image with commands from a real builder is built from stages and images by digest, gets a reduced proof, and is published with the same message', async () => {
    const { image } = await build([
      `FROM ${from} AS helper`,
      `${RUN} echo zone > /zone`,
      `FROM ${from} AS low`,
      'ARG V=1',
      'ENV A=$V',
      'CMD ["low"]',
      'FROM low',
      'ENV B=$A$V',
      ...START,
      `COPY --from=helper /zone /etc/zone`,
      `COPY --from=${from} /old /old2`,
      `${RUN} <<EOF`,
      'echo "server:x:7:7::/:/bin/sh" >> /etc/passwd',
      'rm /old/a && rm -r /old2 && mkdir /old2 && echo c > /old2/c',
      'ln -s /opt/app /opt/link && ln /opt/link /opt/link2 && echo d > /d && ln /d /d2',
      'mknod /fifo p; mknod /null c 1 3',
      'EOF',
      'COPY --chown=server app-linux-amd64 /opt/own',
      'ADD files/data.tar.gz /data/',
      `${RUN} true`,
      'USER server',
      'ENTRYPOINT ["app"]',
    ]);
    expect(image.builder).toBe('buildx');
    expect(image.images[0]?.reducedProof).toEqual({
      because: [
        'Dockerfile.given:11: COPY --from=helper',
        `Dockerfile.given:12: COPY --from=${from}`,
        'Dockerfile.given:13: RUN',
        'Dockerfile.given:21: RUN',
      ],
      // zone, passwd, old2/c, link, link2, d, d2, fifo, null, and the archive's link
      unprovenFiles: 10,
      starts: { path: '/opt/app', proven: true },
    });
    const [found] = (await readImageLayout(workspace.path('dist/oci'))).images;
    expect(found?.manifest.layers[0]?.digest).toBe(base.blobs[0]?.descriptor.digest);
    expect(found?.config.config?.Env).toEqual(['PATH=/opt:/bin', 'A=1', 'B=11']);

    const options = { dockerfile: 'Dockerfile.given' };
    const refused = await publishRelease(workspace, `${registry.host}/owner/app`, {
      ...options,
      requireFullProof: true,
    });
    expect(refused.output).toContain(
      'error PROOF_REDUCED: Dockerfile.given:11: COPY --from=helper (and 3 more)',
    );
    const { success, output } = await publishRelease(workspace, `${registry.host}/owner/app`, options);
    expect(success, output).toBe(true);
    expect(output).toContain('10 other files and links were not compared with anything');
  });

  describe('with another frontend', () => {
    // Accepts images given by digest, and needs no network.
    const CAPABILITIES = {
      'moby.buildkit.frontend.caps': 'moby.buildkit.frontend.contexts',
      'moby.buildkit.frontend.network.none': 'true',
    };
    const frontends = new Map<string, string>();
    beforeAll(async () => {
      const content = await readFile(join(import.meta.dirname, '../testing/frontend-process.ts'));
      const layers = [
        await withLibraries([['bin/node', process.execPath]]),
        [{ path: 'frontend.ts', content }],
      ];
      for (const [name, Env] of [
        ['honest', []],
        ['evil', ['ADDED=label:evil=1']],
      ] as const) {
        const made = makeBase({
          layers,
          config: { Entrypoint: ['/bin/node', '--no-warnings', '/frontend.ts'], Env, Labels: CAPABILITIES },
          platforms: [{ architecture: 'amd64', os: 'linux' }],
          compression: 'none',
        });
        putBase(registry, `frontends/${name}`, made);
        frontends.set(name, `${registry.host}/frontends/${name}@${made.digest}`);
      }
    });
    const read = (name: string) =>
      build([`# syntax=${frontends.get(name)}`, `FROM ${from}`, ...START, 'ENTRYPOINT ["app"]']);

    it('an image from another frontend gets a reduced proof', async () => {
      const { image } = await read('honest');
      expect(image.images[0]?.reducedProof).toEqual({
        because: [`Dockerfile.given:1: # syntax=${frontends.get('honest')}`],
        unprovenFiles: 0,
        starts: { path: '/opt/app', proven: true },
      });
    });

    it('an image from another frontend is refused if it contains more than the Dockerfile specifies', async () => {
      await expect(read('evil')).rejects.toThrow(/config\.Labels\.evil: expected nothing/);
    });
  });

  it('an image with commands from a real builder is built for an emulated platform', async () => {
    const foreign = makeBase({ layers: [[{ path: 'tool', content: makingProgram(), mode: '755' }]] });
    putBase(registry, 'bases/foreign', foreign);
    const both = await releaseWorkspace({
      dockerfile: [
        `FROM ${registry.host}/bases/foreign@${foreign.digest}`,
        'COPY --chmod=755 app-linux-arm64 /app',
        'RUN --network=none ["/tool"]',
        'ENTRYPOINT ["/app"]',
        '',
      ].join('\n'),
      platforms: ['linux/arm64'],
      runtime: {},
    });
    try {
      const { image } = await release(both, { builder: 'buildx' });
      expect(image.images[0]?.reducedProof).toEqual({
        because: ['Dockerfile.release:3: RUN'],
        unprovenFiles: 1,
        starts: { path: '/app', proven: true },
      });
      const { success, output } = await publishRelease(both, `${registry.host}/owner/foreign`);
      expect(success, output).toBe(true);
    } finally {
      await both.remove();
    }
  });

  it.each([
    ['replaces the executable', 'echo evil > /opt/app', /\/opt\/app: expected SHA-256/],
    [
      'replaces its folder with a link',
      'mv /opt /o && ln -s /o /opt',
      /\/opt: expected a folder, found a link to "\/o"/,
    ],
    ['removes a runtime file', 'rm -r /lib/libc.so.6', /\/lib\/libc\.so\.6: expected a file, found nothing/],
    ['makes it world-writable', 'chmod 777 /opt/app', /\/opt\/app: expected mode 0755, found mode 0777/],
  ])('an image with commands from a real builder is refused if a command %s', async (_, command, named) => {
    await expect(build([`FROM ${from}`, ...START, `${RUN} ${command}`, 'CMD ["app"]'])).rejects.toThrow(
      named,
    );
  });
});
