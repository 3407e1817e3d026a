import { chmod, cp, link, readdir, rename, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { readDocument, readImageLayout } from '@prebuilt/oci';
import { type FakeRegistry, startFakeRegistry } from '@prebuilt/testing/registry';
import { execa } from 'execa';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DockerReleaseOptions } from '../src/executors/docker-release/options.ts';
import { anArchive } from '../testing/random-archives.ts';
import { release, useRealEngine } from '../testing/release.ts';
import {
  type ReleaseWorkspace,
  releaseWorkspace,
  SAMPLE_DOCKERFILE,
  type SampleListed,
  type SampleRelease,
} from '../testing/release-workspace.ts';
import { SAMPLE_ARCHIVES } from '../testing/sample-archives.ts';
import { ALPINE, DEBIAN, makeBase, putBase, type SampleBase } from '../testing/sample-base.ts';
import { FROM_SCRATCH, textOf } from '../testing/sample-dockerfiles.ts';

await useRealEngine();

/** An image's identity: the digest of its manifest, and what it contains, for the message if the digests differ. */
interface Identity {
  readonly platform: string;
  readonly digest: string;
  readonly diffIds: readonly string[];
  readonly config: string;
}

async function build(
  workspace: ReleaseWorkspace,
  builder: DockerReleaseOptions['builder'],
  more: Partial<DockerReleaseOptions> = {},
): Promise<readonly Identity[]> {
  const { plan } = await release(workspace, { builder, outputPath: `dist/${builder}`, ...more });
  const layout = await readImageLayout(plan.outputPath);
  return Promise.all(
    layout.images.map(async ({ platform, descriptor, config, manifest }) => ({
      platform: platform.architecture,
      digest: descriptor.digest,
      diffIds: config.rootfs.diff_ids,
      config: (await readDocument(plan.outputPath, manifest.config)).toString('utf8'),
    })),
  );
}

async function expectParity(sample: SampleRelease): Promise<void> {
  const workspace = await releaseWorkspace(sample);
  try {
    const reference = await build(workspace, 'buildx');
    const own = await build(workspace, 'daemonless');
    expect(own, sample.dockerfile).toEqual(reference);
    expect(own).toHaveLength(workspace.manifest.platforms.length);
  } finally {
    await workspace.remove();
  }
}

const LONG = 'n'.repeat(150);
const runtime = {
  'lib/libc.so.6': { content: 'libc', mode: '0755' },
  'lib/sub/café': { content: 'non-ASCII' },
  'lib-x/a b': { content: 'with a space' },
  [`long/${LONG}/${LONG}/${'d'.repeat(80)}/tail`]: { content: 'a long path' },
  [`split/${'p'.repeat(90)}/${'q'.repeat(90)}`]: { content: 'a path that USTAR splits in two' },
  'etc/same': { content: 'libc', mode: '0755' },
} as const;

const EXEC = 'app-linux-$TARGETARCH';
const RUN = 'runtime-linux-$TARGETARCH';
const ARCH = 'ARG TARGETARCH';

// One platform is enough for what doesn't depend on it.
const ONE_PLATFORM = { platforms: ['linux/amd64'] } as const;
const ON_EVERY_PLATFORM: ReadonlySet<string> = new Set(['for the sidecar’s Dockerfile', 'with variables']);

describe('both builders build the same image', () => {
  it.each([
    ['for the sidecar’s Dockerfile', SAMPLE_DOCKERFILE.split('\n').slice(1)],
    [
      'with files copied twice',
      [ARCH, `COPY ${RUN}/ /`, `COPY ${RUN}/ /`, `COPY ${EXEC} /a/b`, `COPY ${EXEC} /a/b`],
    ],
    [
      'with files replaced by others',
      [ARCH, `COPY ${EXEC} /a/b`, `COPY ${RUN}/etc/same /a/b`, `COPY ${RUN}/ /`],
    ],
    ['with the same file with a different mode', [ARCH, `COPY ${EXEC} /a`, `COPY --chmod=600 ${EXEC} /a`]],
    ['with a file copied into an existing folder', [ARCH, `COPY ${RUN}/ /x/`, `COPY ${EXEC} /x/lib`]],
    [
      'with a folder copied over a folder',
      [ARCH, `COPY ${RUN}/ /x`, `COPY ${RUN}/lib /x/lib-x`, `COPY ${RUN}/lib/ /x/lib/`],
    ],
    ['with several sources', [ARCH, `COPY ${EXEC} ${RUN}/etc ${RUN}/lib/ /all/`, `COPY . /everything/`]],
    [
      'with a setuid file',
      [
        ARCH,
        `COPY --chmod=4755 ${EXEC} /su`,
        `COPY --chown=7:8 --chmod=6711 ${EXEC} /su2`,
        `COPY --chmod=1777 ${EXEC} /st`,
      ],
    ],
    [
      'with owners',
      [
        ARCH,
        `COPY --chown=65534 ${EXEC} /o/p/app`,
        `COPY --chown=1000:1001 ${RUN}/lib /o/lib`,
        `COPY --chown=5 ${RUN}/ /o/`,
        `COPY ${RUN}/ /o/`,
        `COPY --chown=3000000:2000000000 ${EXEC} /big`,
      ],
    ],
    [
      'with WORKDIR before and after USER',
      [
        ARCH,
        'WORKDIR /a/b',
        'USER 1000:1001',
        'WORKDIR c',
        'WORKDIR /a',
        'USER 77',
        'WORKDIR /n/m',
        `COPY ${EXEC} .`,
        `COPY ${EXEC} x/y/`,
        'WORKDIR ..',
        'WORKDIR /',
      ],
    ],
    [
      'with linked copies',
      [
        ARCH,
        `COPY --link ${EXEC} /l/app`,
        `COPY --link ${EXEC} /l/app`,
        `COPY ${EXEC} /l/other`,
        `COPY --link --chown=3 ${RUN}/ /l/`,
        `COPY ${RUN}/lib/ /l/lib/`,
      ],
    ],
    [
      'with variables',
      [
        'ARG TARGETARCH TARGETVARIANT TARGETOS TARGETPLATFORM',
        'ARG NODEF',
        'ARG FOO=bar E2="two words"',
        `ARG FOO=\${FOO}2`,
        'ENV A=1 B="two $FOO" C=\'$FOO\' D=\\$FOO',
        `ENV E=\${NODEF:-def} F=\${FOO:+yes} G=\${NODEF} H=\${NODEF-x} I=\${TARGETVARIANT:-none} J=\${A}$B K=\${NODEF:-\${A:-z}}`,
        'ENV A=2 L=$A',
        'ENV PATH=/opt/bin:$PATH',
        'ENV LEGACY one  two $A "three"',
        'LABEL a=b "c d"="e f" g=$A h=$TARGETPLATFORM x="<&>" multi="line \\',
        '  two"',
        'LABEL solo x y',
        'LABEL org.opencontainers.image.title=mine',
        `COPY app-\${TARGETOS}-$TARGETARCH /\${FOO}/$A/`,
        'USER $A',
        'WORKDIR /w/$FOO',
      ],
    ],
    [
      'with every metadata instruction',
      [
        ARCH,
        `COPY ["${EXEC}", "/with space"]`,
        'EXPOSE 9000 53/udp 100-102',
        'EXPOSE 80/tcp 9000',
        'VOLUME /v1 /v2',
        'VOLUME ["/v3 x", "/v1"]',
        'STOPSIGNAL SIGTERM',
        'HEALTHCHECK --interval=5s --timeout=1m30s --start-period=1.5s --retries=40 CMD ["/app", "health"]',
        'CMD ["serve", "é", "a\\"b"]',
        'ENTRYPOINT ["/app"]',
      ],
    ],
    [
      'with shell-form commands',
      [ARCH, `COPY ${EXEC} /a`, 'HEALTHCHECK CMD /app health $A', 'CMD echo $A', 'ENTRYPOINT exec /app "$Z"'],
    ],
    ['with no commands', [ARCH, `COPY ${EXEC} /a`, 'HEALTHCHECK NONE', 'CMD []', 'ENTRYPOINT []']],
    [
      'with comments, blank and continued lines',
      ['# a comment', ARCH, '', `  copy ${EXEC} \\`, '  # inside', '', '   /a', 'Env A=1 \\', '    B=2'],
    ],
  ])('both builders build the same image %s', async (title, lines) => {
    const dockerfile = ['FROM scratch', ...lines, ''].join('\n');
    const platforms = ON_EVERY_PLATFORM.has(title) ? {} : ONE_PLATFORM;
    await expectParity({ dockerfile, runtime, ...platforms });
  });

  it('both builders build the same image with another escape character', async () => {
    const dockerfile = `# escape=\`\nFROM scratch\nCOPY app-linux-amd64 \`\n  /a\nENV A="x\\y" B=\`$C\n`;
    await expectParity({ dockerfile, ...ONE_PLATFORM });
  });

  it('both builders build the same image with an empty runtime folder', async () => {
    const dockerfile = `FROM scratch\n${ARCH}\nCOPY ${RUN}/ /\nCOPY ${RUN}/ /empty/\nCOPY ${EXEC} /a\n`;
    await expectParity({ dockerfile, runtime: {}, ...ONE_PLATFORM });
  });

  it('both builders build the same image with listed files with several owners and modes', async () => {
    const dockerfile = [
      'FROM scratch',
      ARCH,
      'COPY files/ /',
      'COPY --chown=65532:65532 files-65532-65532/srv/data/ /srv/data/',
      'COPY --chown=1000:1001 files-1000-1001/opt/tool /opt/tool',
      'COPY files/ /again',
      `COPY ${EXEC} /a`,
      '',
    ].join('\n');
    await expectParity({
      dockerfile,
      ...ONE_PLATFORM,
      listed: {
        entries: [
          'users',
          'tmp',
          { path: 'd', to: '/srv/data', owner: 'nonroot', mode: '0440' },
          { path: 'd/x', to: '/opt/tool', owner: '1000:1001', mode: '0751' },
          { path: 'd/x', to: '/etc/secret', mode: '0400' },
        ],
        workspace: { 'd/x': { content: 'x' }, 'd/sub/y z': { content: 'y' } },
      },
    });
  });

  it('both builders build the same image for a single platform with a variant', async () => {
    await expectParity({ dockerfile: SAMPLE_DOCKERFILE, platforms: ['linux/arm/v7'] });
  });

  it.each([0, 1, 1_000_000_000])(
    'both builders build the same image with the source date %i',
    async (sourceDateEpoch) => {
      await expectParity({ dockerfile: SAMPLE_DOCKERFILE, sourceDateEpoch, ...ONE_PLATFORM });
    },
  );
});

describe('both builders build the same image from a typical Dockerfile', () => {
  it.each(FROM_SCRATCH)(
    'both builders build the same image from a typical Dockerfile with $title',
    async (sample) => {
      await expectParity({ ...ONE_PLATFORM, ...sample.sample, dockerfile: textOf(sample) });
    },
  );
});

const segment = fc.constantFrom('a', 'b', 'lib', 'a-b', 'é', 'opt', 'etc', 'bin');
const absolute = fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join('/')}`);
const target = fc.oneof(
  absolute,
  absolute.map((path) => `${path}/`),
  fc.constantFrom('/', '.', 'rel', 'rel/x/'),
);
const source = fc.constantFrom(
  EXEC,
  `${RUN}/`,
  `${RUN}/lib`,
  `${RUN}/lib/`,
  `${RUN}/etc/same`,
  '.',
  'files/',
  'files/etc',
  'files/etc/passwd',
  'files-65532-65532/etc/server/',
);
const added = fc.constantFrom(
  'files/root.tar.gz',
  'files/site.tar.zst',
  'files/over.tar',
  'files/owned.tar',
  'files/text.gz',
  'files/*.tar',
  'files/random.tar.gz',
  'files/random.tar.gz',
);
const chown = fc.constantFrom('', '', '--chown=65534 ', '--chown=5:6 ');
const copy = fc.oneof(
  fc.tuple(source, target).map(([from, to]) => `COPY --chmod=755 ["${from}", "${to}"]`),
  fc
    .tuple(chown, fc.constantFrom('', '--link '), source, target)
    .map((parts) => `COPY ${parts[0]}${parts[1]}${parts[2]} ${parts[3]}`),
  fc
    .tuple(fc.constantFrom('755', '0644', '4711'), chown, target)
    .map(([mode, own, to]) => `COPY --chmod=${mode} ${own}${EXEC} ${to}`),
  fc.tuple(fc.constantFrom('', '--link '), added, target).map((parts) => `ADD ${parts.join(' ')}`),
  fc.tuple(added, added).map((parts) => `ADD ${parts.join(' ')} /`),
  fc
    .tuple(source, source, target)
    .map(([a, b, to]) => `COPY ${a} ${b} ${to.endsWith('/') || to === '.' ? to : `${to}/`}`),
);
const word = fc.constantFrom('x', '"a b"', '$A', `\${B:-d}`, "'$A'", '""', 'p=q');
const describing = fc.oneof(
  fc
    .tuple(fc.constantFrom('ENV', 'LABEL'), fc.constantFrom('A', 'B', 'PATH'), word)
    .map(([k, n, v]) => `${k} ${n}=${v}`),
  fc.constantFrom(
    'EXPOSE 80 81/udp',
    'EXPOSE 8080',
    'VOLUME /v',
    'STOPSIGNAL 9',
    'CMD ["a"]',
    'CMD a b',
    'ENTRYPOINT ["/e"]',
  ),
  fc.constantFrom('USER 1000', 'USER 7:8', 'WORKDIR /w/x', 'WORKDIR y', 'WORKDIR /lib', 'HEALTHCHECK CMD x'),
);
const aDockerfile = fc
  .tuple(
    fc.constantFrom('scratch', 'alpine', 'debian'),
    copy,
    fc.array(fc.oneof(copy, describing), { maxLength: 10 }),
    anArchive,
  )
  .map(([base, first, rest, archive]) => ({ base, lines: [ARCH, first, ...rest, ''], archive }));
/** The listed files: built-ins, a folder with another owner, and archives, including the given one. */
const listedWith = (archive: Buffer): SampleListed => ({
  entries: [
    'users',
    'tmp',
    { path: 'config', to: '/etc/server', owner: 'nonroot', mode: '0440' },
    ...Object.keys(SAMPLE_ARCHIVES),
    'random.tar.gz',
  ],
  workspace: {
    'config/server.yaml': { content: 'port: 80\n' },
    'config/sub/more': { content: 'x' },
    ...SAMPLE_ARCHIVES,
    'random.tar.gz': { content: gzipSync(archive) },
  },
});
const BASES: Readonly<Record<string, SampleBase>> = {
  alpine: {
    layers: ALPINE,
    config: { Env: ['PATH=/usr/local/bin:/bin', 'A=of the base'], Cmd: ['/bin/sh'], User: '405:100' },
  },
  debian: { layers: DEBIAN, config: { WorkingDir: '/opt', Labels: { A: 'of the base' } } },
};

describe('both builders agree on any Dockerfile with accepted instructions', () => {
  let registry: FakeRegistry;
  const from = new Map([['scratch', 'scratch']]);
  beforeAll(async () => {
    registry = await startFakeRegistry();
    for (const [name, sample] of Object.entries(BASES)) {
      const base = makeBase({ ...sample, platforms: [{ architecture: 'amd64', os: 'linux' }] });
      putBase(registry, `bases/${name}`, base);
      from.set(name, `${registry.host}/bases/${name}@${base.digest}`);
    }
  });
  afterAll(() => registry.close());

  it('both builders agree on any Dockerfile with accepted instructions: on the image, or on a conflicting path', {
    timeout: 600_000,
  }, async () => {
    const built = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(aDockerfile, async ({ base, lines, archive }) => {
        const listed = listedWith(archive);
        const dockerfile = [`FROM ${from.get(base)}`, ...lines].join('\n');
        const workspace = await releaseWorkspace({ dockerfile, runtime, listed, platforms: ['linux/amd64'] });
        try {
          const own = await build(workspace, 'daemonless').catch((error: unknown) => error);
          if (own instanceof Error) {
            expect(own, dockerfile).toMatchObject({ code: 'DOCKERFILE_COPY' });
            // Buildx would replace a folder with an archive's entry, or a link with a folder, or depend on its storage.
            if (/: ADD: .*(but the archive has|expected a folder|builders would)/.test(own.message)) return;
            expect(await bareBuildx(workspace), dockerfile).toMatch(
              /not a directory|cannot (copy|replace)|non-directory/,
            );
          } else {
            built.set(base, (built.get(base) ?? 0) + 1);
            expect(own, dockerfile).toEqual(await build(workspace, 'buildx'));
          }
        } finally {
          await workspace.remove();
        }
      }),
      { numRuns: 30 },
    );
    expect([...built.keys()].sort()).toEqual(['alpine', 'debian', 'scratch']);
    expect([...built.values()].reduce((sum, count) => sum + count)).toBeGreaterThan(10);
  });
});

// Buildx's message without this plugin's checks.
async function bareBuildx(workspace: ReleaseWorkspace): Promise<string> {
  // The file at its path in a release's context: otherwise, buildx would first report that it is missing.
  const owned = workspace.path('dist/bin/files-65532-65532/etc/server');
  await cp(workspace.path('dist/bin/files/etc/server'), owned, { recursive: true });
  const result = await execa(
    'docker',
    [
      'buildx',
      'build',
      '--progress=plain',
      '--file=Dockerfile.release',
      '--output=type=oci,dest=out.tar',
      'dist/bin',
    ],
    { cwd: workspace.root, reject: false },
  );
  return result.stderr;
}

describe('the image does not depend on the machine', () => {
  async function files(folder: string): Promise<readonly string[]> {
    const found = await readdir(folder, { recursive: true, withFileTypes: true });
    return found.map((entry) => join(entry.parentPath, entry.name));
  }

  it.each([
    ['1970', 0],
    ['now', Date.now() / 1000],
    ['2100', 4_102_444_800],
  ])('the image does not depend on the machine: the files are from %s', async (_, time) => {
    const workspace = await releaseWorkspace({ dockerfile: SAMPLE_DOCKERFILE, runtime, ...ONE_PLATFORM });
    try {
      const reference = await build(workspace, 'daemonless');
      for (const path of await files(workspace.path('dist/bin'))) await utimes(path, time, time);
      expect(await build(workspace, 'daemonless')).toEqual(reference);
      expect(await build(workspace, 'buildx')).toEqual(reference);
    } finally {
      await workspace.remove();
    }
  });

  it('the image does not depend on the machine: files are hard links or setuid', async () => {
    const workspace = await releaseWorkspace({ dockerfile: SAMPLE_DOCKERFILE, runtime, ...ONE_PLATFORM });
    try {
      const reference = await build(workspace, 'daemonless');
      const folder = workspace.path('dist/bin/runtime-linux-amd64');
      await rm(join(folder, 'etc/same'));
      await link(join(folder, 'lib/libc.so.6'), join(folder, 'etc/same'));
      await chmod(join(folder, 'lib/libc.so.6'), 0o4755);
      expect(await build(workspace, 'daemonless')).toEqual(reference);
      expect(await build(workspace, 'buildx')).toEqual(reference);
    } finally {
      await workspace.remove();
    }
  });

  it('the image does not depend on the machine: the umask is 077', async () => {
    const workspace = await releaseWorkspace({ dockerfile: SAMPLE_DOCKERFILE, runtime, ...ONE_PLATFORM });
    const reference = await build(workspace, 'daemonless');
    const umask = process.umask(0o077);
    try {
      expect(await build(workspace, 'buildx')).toEqual(reference);
      expect(await build(workspace, 'daemonless')).toEqual(reference);
    } finally {
      process.umask(umask);
      await workspace.remove();
    }
  });

  it('the image does not depend on the machine: the builder has cached the same content with a different date', async () => {
    const early = await releaseWorkspace({
      dockerfile: SAMPLE_DOCKERFILE,
      runtime,
      sourceDateEpoch: 0,
      ...ONE_PLATFORM,
    });
    const late = await releaseWorkspace({ dockerfile: SAMPLE_DOCKERFILE, runtime, ...ONE_PLATFORM });
    try {
      await build(early, 'buildx');
      const warm = await build(late, 'buildx');
      expect(warm).toEqual(await build(late, 'daemonless'));
      expect(await build(late, 'buildx')).toEqual(warm);
    } finally {
      await early.remove();
      await late.remove();
    }
  });

  // A builder compares the names, sizes and times of files from earlier builds, but not their contents.
  it('the image does not depend on the machine: the builder has cached different content of the same size in the same folder', async () => {
    const content = (text: string) => ({
      ...runtime,
      'lib/libc.so.6': { content: text, mode: '0755' } as const,
    });
    const first = await releaseWorkspace({
      dockerfile: SAMPLE_DOCKERFILE,
      runtime: content('one'),
      ...ONE_PLATFORM,
    });
    await build(first, 'buildx');
    await first.remove();
    const second = await releaseWorkspace({
      dockerfile: SAMPLE_DOCKERFILE,
      runtime: content('two'),
      ...ONE_PLATFORM,
    });
    await rename(second.root, first.root);
    const moved = { ...second, root: first.root, remove: first.remove };
    try {
      expect(await build(moved, 'buildx')).toEqual(await build(moved, 'daemonless'));
    } finally {
      await moved.remove();
    }
  });

  it('the image does not depend on the machine with zstd, except for its layers’ compressed bytes', async () => {
    const workspace = await releaseWorkspace({ dockerfile: SAMPLE_DOCKERFILE, runtime, ...ONE_PLATFORM });
    try {
      const reference = await build(workspace, 'daemonless');
      const zstd = await build(workspace, 'daemonless', { compression: 'zstd', compressionLevel: 1 });
      const content = (images: readonly Identity[]) => images.map(({ digest: _, ...rest }) => rest);
      expect(content(zstd)).toEqual(content(reference));
      expect(zstd).not.toEqual(reference);
      expect(await build(workspace, 'buildx', { compression: 'zstd', compressionLevel: 1 })).toEqual(zstd);
    } finally {
      await workspace.remove();
    }
  });
});
