import { readDocument, readImageLayout } from '@prebuilt/oci';
import { type FakeRegistry, startFakeRegistry } from '@prebuilt/testing/registry';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { release, useRealEngine } from '../testing/release.ts';
import { type ReleaseWorkspace, releaseWorkspace } from '../testing/release-workspace.ts';
import { SAMPLE_ARCHIVES } from '../testing/sample-archives.ts';
import { ALPINE, DEBIAN, DISTROLESS, makeBase, putBase, type SampleBase } from '../testing/sample-base.ts';

await useRealEngine();

let registry: FakeRegistry;
beforeAll(async () => {
  registry = await startFakeRegistry();
});
afterAll(() => registry.close());

const CONFIG = {
  User: 'nonroot',
  Env: ['PATH=/usr/bin:/bin', 'SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt'],
  WorkingDir: '/home/nonroot',
};
const ALPINE_CONFIG = { Env: ['PATH=/usr/local/bin:/bin'], Cmd: ['/bin/sh'] };
const FULL = {
  Hostname: 'abc',
  Image: 'sha256:x',
  User: '33:staff',
  ExposedPorts: { '80/tcp': {} },
  Env: ['A=1', 'NOTHING', 'B=two words'],
  Entrypoint: ['/bin/sh', '-c'],
  Cmd: ['exec "$0"'],
  Volumes: { '/v': {} },
  WorkingDir: '/opt',
  Labels: { a: 'of the base', b: '<&>' },
  StopSignal: 'SIGINT',
  ArgsEscaped: true,
  Healthcheck: { Test: ['CMD', 'x'], Interval: 1e9, StartInterval: 2e9, Retries: 3 },
  Shell: ['/bin/ash', '-ec'],
  OnBuild: null,
};

const ARCH = 'ARG TARGETARCH';
const EXEC = 'COPY --chmod=755 app-linux-$TARGETARCH';
const RUN = 'runtime-linux-$TARGETARCH';

/** Typical Dockerfiles with bases; `FROM` is added before them. */
const CASES: readonly (readonly [string, SampleBase, readonly string[]])[] = [
  [
    'a distroless-like base',
    { layers: DISTROLESS, config: CONFIG },
    [ARCH, `${EXEC} /app`, 'USER nonroot', 'ENTRYPOINT ["/app"]'],
  ],
  [
    'a base with an attestation per image',
    { layers: DISTROLESS, config: CONFIG, attestations: true },
    [
      ARCH,
      `${EXEC} app`,
      `COPY --chown=nonroot:tape ${RUN}/ data/`,
      'WORKDIR sub',
      'ENTRYPOINT ["/home/nonroot/app"]',
    ],
  ],
  [
    'a base with zstd',
    { layers: DISTROLESS, config: CONFIG, compression: 'zstd' },
    [ARCH, `${EXEC} /usr/bin/app`, 'ENTRYPOINT ["app"]'],
  ],
  [
    'an uncompressed base',
    { layers: ALPINE, config: ALPINE_CONFIG, compression: 'none' },
    [ARCH, `${EXEC} /usr/local/bin/`, 'CMD ["app-linux-amd64"]'],
  ],
  [
    'an Alpine-like base',
    { layers: ALPINE, config: ALPINE_CONFIG },
    [
      ARCH,
      `${EXEC} /usr/local/bin/app`,
      `COPY ${RUN}/ /`,
      'USER guest',
      'WORKDIR /var/run/app',
      'CMD app serve',
    ],
  ],
  [
    "an Alpine-like base with Docker's media types",
    { layers: ALPINE, config: ALPINE_CONFIG, docker: true },
    [ARCH, `${EXEC} /bin/app`, 'ENTRYPOINT ["/bin/app"]', 'ENV PATH=/opt:$PATH A=$PATH'],
  ],
  [
    'a single Docker manifest',
    { layers: ALPINE, config: ALPINE_CONFIG, docker: true, single: true },
    [ARCH, `${EXEC} /bin/sh`, 'CMD ["x"]', 'ENTRYPOINT ["/bin/sh"]'],
  ],
  [
    'a single OCI manifest',
    { layers: DISTROLESS, single: true },
    [ARCH, `${EXEC} /a/b/c`, `COPY ${RUN}/ /etc/`, 'ENTRYPOINT ["/a/b/c"]'],
  ],
  [
    'a Debian-like base, with destinations through its links',
    { layers: DEBIAN, config: { Cmd: ['bash'] } },
    [
      ARCH,
      `${EXEC} /bin/app`,
      `COPY ${RUN}/lib /lib/`,
      `COPY ${RUN}/etc/same /usr/bin/sh`,
      'ENTRYPOINT ["app"]',
    ],
  ],
  [
    'a Debian-like base, with removed and replaced files',
    { layers: DEBIAN },
    [
      ARCH,
      `${EXEC} /opt/a/b/app`,
      `COPY ${RUN}/ /opt/`,
      `${EXEC} /srv/app`,
      'WORKDIR /etc/x',
      'CMD ["/srv/app"]',
    ],
  ],
  [
    'a Debian-like base, with owners by name',
    { layers: DEBIAN, config: FULL },
    [
      ARCH,
      `COPY --chown=www-data:staff app-linux-$TARGETARCH x`,
      `COPY --chown=33:staff ${RUN}/ /var/lock/`,
      'WORKDIR /w',
      'USER www-data',
      'WORKDIR v',
      `${EXEC} /app`,
      'CMD ["/app"]',
      'ENTRYPOINT []',
    ],
  ],
  [
    'a Debian-like base, with archives unpacked over it',
    { layers: DEBIAN },
    [
      ARCH,
      `${EXEC} /app`,
      'ADD files/over.tar /',
      'ADD files/site.tar.zst /bin',
      'ADD files/owned.tar /opt',
      'CMD ["/app"]',
    ],
  ],
  [
    'a base with every setting, changed',
    { layers: ALPINE, config: FULL, more: { author: 'Ann', docker_version: '1', container_config: {} } },
    [
      ARCH,
      `${EXEC} /app`,
      'ENV A=2 C=$B NOTHING=x',
      'LABEL a=mine c=d',
      'EXPOSE 81',
      'VOLUME /w',
      'STOPSIGNAL SIGTERM',
      'HEALTHCHECK NONE',
      'USER 1000',
      'ENTRYPOINT exec /app',
    ],
  ],
  [
    'a base with every setting, kept',
    { layers: ALPINE, config: FULL },
    [ARCH, `${EXEC} /app`, 'CMD ["/app"]'],
  ],
  [
    'a base without history',
    { layers: DEBIAN, more: { history: undefined } },
    [ARCH, `${EXEC} /app`, 'ENV A=1', 'CMD ["/app"]'],
  ],
  [
    'a base with empty steps, and a history later than the source date',
    {
      layers: ALPINE,
      more: {
        history: [
          { created: '2035-01-01T00:00:00.5Z', created_by: 'ADD x', author: 'Bob' },
          { created: '2035-01-01T00:00:00Z', created_by: 'CMD', comment: 'c', empty_layer: true },
        ],
      },
    },
    [
      ARCH,
      `COPY --link app-linux-$TARGETARCH /bin/new/app`,
      `COPY --link ${RUN}/ /lib/`,
      `${EXEC} /app`,
      'CMD ["/app"]',
    ],
  ],
  [
    'a base without a configuration',
    { layers: ALPINE, config: null },
    [ARCH, `${EXEC} /app`, 'CMD ["/app"]'],
  ],
];

const runtime = {
  'lib/libc.so.6': { content: 'libc', mode: '0755' },
  'etc/same': { content: 'libc', mode: '0755' },
  'a b/c': { content: 'c' },
} as const;

async function identities(workspace: ReleaseWorkspace, builder: 'buildx' | 'daemonless') {
  const { plan } = await release(workspace, { builder, outputPath: `dist/${builder}` });
  const layout = await readImageLayout(plan.outputPath);
  return Promise.all(
    layout.images.map(async ({ config, manifest }) => ({
      diffIds: config.rootfs.diff_ids,
      config: (await readDocument(plan.outputPath, manifest.config)).toString('utf8'),
      base: manifest.layers.slice(0, plan.platforms[0]?.image.base?.layers.length),
    })),
  );
}

describe('both builders build the same image', () => {
  it.each(CASES)('both builders build the same image on %s', async (title, sample, lines) => {
    const base = makeBase(sample);
    const repository = `bases/${title.toLowerCase().replaceAll(/[^a-z]+/g, '-')}`;
    putBase(registry, repository, base);
    const from = `FROM ${registry.host}/${repository}@${base.digest}`;
    const dockerfile = [from, ...lines, ''].join('\n');
    const platforms = ['linux/amd64', ...(sample.attestations ? ['linux/arm64'] : [])];
    const listed = { entries: Object.keys(SAMPLE_ARCHIVES), workspace: SAMPLE_ARCHIVES };
    const workspace = await releaseWorkspace({ dockerfile, runtime, platforms, listed });
    try {
      const own = await identities(workspace, 'daemonless');
      expect(own).toHaveLength(platforms.length);
      expect(own, dockerfile).toEqual(await identities(workspace, 'buildx'));
      const [first] = own;
      expect(first?.base.map(({ digest }) => digest)).toEqual(
        base.blobs.slice(0, sample.layers.length).map(({ descriptor }) => descriptor.digest),
      );
    } finally {
      await workspace.remove();
    }
  });
});
