import { describe, expect, it } from 'vitest';
import { sampleManifest } from '../../../testing/sample-manifest.ts';
import { formatManifest } from '../../artifacts/manifest.ts';
import { parsePlatform } from '../../artifacts/platform.ts';
import type { ReleaseFacts } from './facts.ts';
import type { DockerReleaseOptions } from './options.ts';
import { type DockerReleasePlan, planDockerRelease } from './plan.ts';
import { formatPlan } from './show.ts';

const options: DockerReleaseOptions = {
  builder: 'auto',
  compression: 'gzip',
  historyFormat: 'moby-28',
  dockerfile: 'Dockerfile.release',
  inputPath: 'dist/bin',
  verifyPath: 'dist/verify',
  outputPath: 'dist/oci',
  requireFullProof: false,
  dryRun: false,
  json: false,
};
const usable = { usable: true, name: 'default', driver: 'docker', buildx: '0.13.1' } as const;
const unusable = { usable: false, reason: 'no engine answers', hint: 'Start one.' } as const;
const DOCKERFILE = `FROM scratch
ARG TARGETARCH
COPY runtime-linux-$TARGETARCH/ /
COPY --chmod=755 mount-monitor-linux-$TARGETARCH /app
EXPOSE 80
`;

const facts: ReleaseFacts = {
  manifest: { manifest: sampleManifest, sha256: 'd'.repeat(64) },
  bases: new Map(),
  pinned: { images: [] },
  reports: new Map(
    sampleManifest.platforms.map(({ platform, sha256 }) => [
      platform,
      {
        schemaVersion: 1,
        platform,
        version: '1.2.3',
        manifestSha256: 'd'.repeat(64),
        executableSha256: sha256,
        result: 'passed',
        execution: { how: 'native' },
        findings: [],
      },
    ]),
  ),
  sources: {
    dockerfile: Buffer.from(DOCKERFILE),
    packageFacts: { repository: undefined, license: 'MIT' },
    texts: { lists: new Map() },
  },
  builder: usable,
  now: 1_800_000_000,
};

const plan = (
  more: Partial<DockerReleaseOptions> = {},
  change: Partial<ReleaseFacts> = {},
): DockerReleasePlan => planDockerRelease({ ...options, ...more }, '/w', { ...facts, ...change });

describe('planDockerRelease', () => {
  it.each([
    ['auto', usable, 'buildx', 'builder default (docker) of buildx 0.13.1 is usable'],
    ['auto', unusable, 'daemonless', 'no engine answers'],
    ['buildx', usable, 'buildx', 'as requested: builder default (docker) of buildx 0.13.1'],
    ['daemonless', undefined, 'daemonless', 'as requested'],
  ] as const)('a plan resolves --builder=%s and says why (%#)', (asked, builder, chosen, reason) => {
    expect(plan({ builder: asked }, { builder })).toMatchObject({ builder: chosen, reason });
  });

  it('a plan refuses --builder=buildx if no builder is usable, and says how to fix it', () => {
    expect(() => plan({ builder: 'buildx' }, { builder: unusable })).toThrow(
      expect.objectContaining({ code: 'BUILDER', hint: 'Start one.' }),
    );
  });

  const PARENTS = `FROM scratch
ARG TARGETARCH
COPY runtime-linux-$TARGETARCH/ /
COPY --parents --chmod=u=rwx,go=rx mount-monitor-linux-$TARGETARCH /
`;
  const withParents = { ...facts.sources, dockerfile: Buffer.from(PARENTS) };

  it.each([
    ['v0.13.2', 'daemonless', 'COPY --chmod by letters needs BuildKit 0.20, but builder default has 0.13.2'],
    ['v0.25.1', 'daemonless', 'COPY --parents needs BuildKit 0.26, but builder default has 0.25.1'],
    [
      undefined,
      'daemonless',
      'COPY --chmod by letters needs BuildKit 0.20, but builder default has an unknown version',
    ],
    ['v0.26.0', 'buildx', 'builder default (docker) of buildx 0.13.1 is usable'],
    ['v1.0.0', 'buildx', 'builder default (docker) of buildx 0.13.1 is usable'],
  ] as const)(
    'BuildKit %s is used for newer features only if it supports them: %s',
    (buildkit, chosen, reason) => {
      const change = { sources: withParents, builder: { ...usable, buildkit } };
      expect(plan({}, change)).toMatchObject({ builder: chosen, reason });
      expect(plan({ builder: 'daemonless' }, change).builder).toBe('daemonless');
      if (chosen === 'buildx') return;
      expect(() => plan({ builder: 'buildx' }, change)).toThrow(`--builder=buildx: ${reason}`);
    },
  );

  it('a plan has the layers compressed after buildx, at the zstd level given, and refuses a gzip level', () => {
    const planned = plan({ compression: 'zstd', compressionLevel: 19 });
    expect(planned).toMatchObject({ compression: 'zstd', compressionLevel: 19 });
    expect(planned.platforms[0]?.command?.args.join(' ')).toContain('compression=uncompressed,');
    expect(() => plan({ compressionLevel: 9 })).toThrow('compressionLevel: needs --compression=zstd');
  });

  it('a plan refuses to use buildx for a date in the future, which BuildKit would change to now', () => {
    expect(() => plan({}, { now: 1_600_000_000 })).toThrow(/expected a source date in the past/);
    expect(plan({ builder: 'daemonless' }, { now: 1_600_000_000 }).builder).toBe('daemonless');
  });

  it('a plan runs buildx once per platform, with arguments that no shell interprets', () => {
    const [amd64] = plan({ builderName: 'farm', imageTitle: '$(id); `x` "y"' }).platforms;
    expect(amd64?.command?.file).toBe('docker');
    expect(amd64?.command?.args).toEqual([
      'buildx',
      'build',
      '--builder=farm',
      '--platform=linux/amd64',
      '--file=Dockerfile',
      '--no-cache',
      '--provenance=false',
      '--sbom=false',
      '--progress=plain',
      '--build-arg=SOURCE_DATE_EPOCH=1700000000',
      '--label=org.opencontainers.image.title=$(id); `x` "y"',
      '--label=org.opencontainers.image.version=1.2.3',
      `--label=org.opencontainers.image.revision=${sampleManifest.revision}`,
      '--label=org.opencontainers.image.created=2023-11-14T22:13:20Z',
      '--label=org.opencontainers.image.licenses=MIT',
      `--label=dev.prebuilt.executable.digest=sha256:${'a'.repeat(64)}`,
      '--output=type=oci,dest=layout/linux-amd64,tar=false,rewrite-timestamp=true,oci-mediatypes=true,compression=uncompressed,force-compression=true',
      expect.stringMatching(/^context-[0-9a-f]{16}-linux-amd64$/),
    ]);
  });

  const EXECUTES = `# syntax=docker/dockerfile:1
FROM tools:1 AS tools
FROM scratch
ARG TARGETARCH
COPY runtime-linux-$TARGETARCH/ /
COPY --parents --chmod=755 mount-monitor-linux-$TARGETARCH /
COPY --from=tools /x /x
COPY --from=certs:2 /y /y
`;
  const pinned = {
    images: ['tools:1', 'certs:2'].map((name) => ({ name, reference: `docker.io/library/${name}@sha256:0` })),
    frontend: { name: 'docker/dockerfile:1', reference: 'docker.io/docker/dockerfile:1@sha256:1' },
  };
  const executes = { sources: { ...facts.sources, dockerfile: Buffer.from(EXECUTES) }, pinned };

  it('a plan passes buildx the digest of every image that the Dockerfile names', () => {
    const args = plan({}, executes).platforms[0]?.command?.args;
    expect(args?.filter((arg) => /--build-(context|arg=BUILDKIT)/.test(arg))).toEqual([
      '--build-context=tools:1=docker-image://docker.io/library/tools:1@sha256:0',
      '--build-context=certs:2=docker-image://docker.io/library/certs:2@sha256:0',
      '--build-arg=BUILDKIT_SYNTAX=docker.io/docker/dockerfile:1@sha256:1',
    ]);
  });

  it('a dry run lists once each thing that reduces the proof', () => {
    const lines = formatPlan(plan({}, executes)).split('\n');
    expect(lines.filter((line) => line.startsWith('proof: '))).toEqual([
      'proof: reduced, because of Dockerfile.release:1: # syntax=docker/dockerfile:1',
      'proof: reduced, because of Dockerfile.release:7: COPY --from=tools',
      'proof: reduced, because of Dockerfile.release:8: COPY --from=certs:2',
    ]);
    expect(formatPlan(plan())).not.toContain('proof: ');
  });

  it.each<[string, Partial<DockerReleaseOptions>, Partial<ReleaseFacts>, string, RegExp]>([
    [
      'without an engine',
      {},
      { builder: unusable },
      'DOCKERFILE_REFUSED',
      /:1: # syntax=\S+: needs buildx, which can't be used here: no engine answers/,
    ],
    [
      'if none may be used',
      { builder: 'daemonless' },
      {},
      'DOCKERFILE_REFUSED',
      /needs buildx, but --builder=daemonless executes nothing/,
    ],
    [
      'if full proof is required',
      { requireFullProof: true },
      {},
      'PROOF_REDUCED',
      /:1: # syntax=docker\/dockerfile:1 \(and 2 more\): --require-full-proof expects a Dockerfile/,
    ],
    [
      'with a BuildKit that is too old, if no other frontend is pinned',
      {},
      { pinned: { images: pinned.images } },
      'BUILDER',
      /COPY --parents needs BuildKit 0\.26/,
    ],
  ])('a plan refuses a Dockerfile that executes something %s', (_, options, change, code, message) => {
    expect(() => plan(options, { ...executes, ...change })).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });

  it('the context’s name depends on its content, in the last part of the path too', () => {
    const last = (change: Partial<ReleaseFacts>) => plan({}, change).platforms[0]?.command?.args.at(-1);
    const { manifest } = facts.manifest;
    expect(last({})).toBe(last({ now: 1_900_000_000 }));
    const other = { ...facts.manifest, sha256: 'e'.repeat(64) };
    const reports = new Map(
      [...facts.reports].map(([key, each]) => [key, { ...each, manifestSha256: other.sha256 }]),
    );
    expect(last({ manifest: other, reports })).not.toBe(last({}));
    expect(formatManifest(manifest)).toContain('1.2.3');
  });

  it.each([
    ['moby-26', 'EXPOSE map[80/tcp:{}]'],
    ['moby-28', 'EXPOSE [80/tcp]'],
  ] as const)('the history has the wording of %s if that is asked for', (historyFormat, wording) => {
    const history = plan({ historyFormat }).platforms[0]?.image.history;
    expect(history?.at(-1)?.createdBy).toBe(wording);
  });

  it('a plan gives buildx only what the manifest lists for the platform', () => {
    const arm64 = plan().platforms.find(({ platform }) => platform === parsePlatform('linux/arm64'));
    expect(arm64?.context.files.map(({ path }) => path)).toEqual([
      'mount-monitor-linux-arm64',
      'runtime-linux-arm64/lib/ld-linux-aarch64.so.1',
      'runtime-linux-arm64/lib/aarch64-linux-gnu/libc.so.6',
    ]);
  });

  it('a plan is JSON, and is shown with the exact commands, quoted for a shell', () => {
    const made = plan({ imageTitle: "it's" });
    expect(JSON.parse(JSON.stringify(made))).toMatchObject({ builder: 'buildx' });
    expect(formatPlan(made)).toContain(`'--label=org.opencontainers.image.title=it'\\''s'`);
    expect(formatPlan(made)).toContain('  + COPY runtime-linux-amd64/ / # buildkit');
  });
});
