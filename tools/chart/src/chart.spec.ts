import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connect, signImage } from '@prebuilt/nx/publishing';
import { type Descriptor, digestOf, MEDIA_TYPES } from '@prebuilt/oci';
import { findHelm } from '@prebuilt/testing/helm';
import { type FakeRegistry, sleepingClock, startFakeRegistry } from '@prebuilt/testing/registry';
import { identityToken, type SigstoreServices, startSigstore } from '@prebuilt/testing/sigstore';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { parse } from 'yaml';
import { packChart } from './archive.ts';
import { type ChartTools, publishChart } from './publish.ts';

const execute = promisify(execFile);
const folder = join(import.meta.dirname, '../../../apps/mount-monitor/chart/mount-monitor');
const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [] }));
const digest = digestOf(index);
const release = { version: '1.2.3', image: { repository: 'ghcr.io/acme/mount-monitor', digest } };

let work = '';
let registry: FakeRegistry;
let sigstore: SigstoreServices;
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'chart-spec-'));
  sigstore = await startSigstore();
});
afterAll(async () => {
  await sigstore.close();
  await rm(work, { recursive: true });
});
beforeEach(async () => {
  registry = await startFakeRegistry();
});
afterEach(() => registry.close());

/** Publishes the chart to the fake registry, which has an image with these versions. */
async function publish(
  { version = '1.2.3', images = ['1.2.3'] },
  sign?: (subject: Descriptor) => ReturnType<typeof signImage>,
) {
  const said: string[] = [];
  const [image, charts] = [`${registry.host}/acme/mount-monitor`, `${registry.host}/acme/charts`];
  const parts = (repository: string) => ({ registry: registry.host, repository });
  const dependencies = { environment: {}, clock: sleepingClock() };
  const published = await connect(
    [parts('acme/mount-monitor')],
    { plainHttp: true },
    work,
    dependencies,
    async ({ clientOf }) => {
      for (const tag of images)
        await clientOf(parts('acme/mount-monitor')).setTag(tag, index, MEDIA_TYPES.index);
      const tools: ChartTools = { clientOf, sign, say: (line) => said.push(line) };
      return publishChart({ folder, version, image, charts }, tools);
    },
  );
  return { published, said };
}

it('packs a chart with its version and the digest of its image, reproducibly', async () => {
  const first = await packChart(folder, release, work);
  const second = await packChart(folder, release, work);
  expect(second.archive).toEqual(first.archive);
  expect(first.metadata).toMatchObject({ name: 'mount-monitor', version: '1.2.3', appVersion: '1.2.3' });
  const { stdout: list } = await execute('tar', ['-tzf', first.archive.file]);
  expect(list.split('\n')[0]).toBe('mount-monitor/Chart.yaml');
  expect(list).toContain('mount-monitor/templates/_pod.tpl');
  const { stdout } = await execute('tar', ['-xOzf', first.archive.file, 'mount-monitor/values.yaml']);
  expect(parse(stdout).image).toMatchObject(release.image);
});

it('publishes a chart by digest, reads it back, and tags it with its version', async () => {
  const { published, said } = await publish({});
  expect(published.reference).toBe(`${registry.host}/acme/charts/mount-monitor:1.2.3`);
  const manifest = JSON.parse(
    registry.manifests.get(`acme/charts/mount-monitor@${published.digest}`)?.bytes.toString() ?? '{}',
  );
  // https://helm.sh/docs/topics/registries/#helm-chart-manifest
  expect(manifest.config.mediaType).toBe('application/vnd.cncf.helm.config.v1+json');
  expect(manifest.layers.map(({ mediaType }: Descriptor) => mediaType)).toEqual([
    'application/vnd.cncf.helm.chart.content.v1.tar+gzip',
  ]);
  expect(said.at(-1)).toContain(digest);
  expect((await publish({ images: [] })).published).toEqual(published);
});

it('refuses a chart if the image that it installs is missing, or its tag has different content', async () => {
  await expect(publish({ images: [] })).rejects.toThrow(
    /expected the image that the chart installs, found none/,
  );
  await publish({});
  const other = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [], annotations: {} }),
  );
  const dependencies = { environment: {}, clock: sleepingClock() };
  await connect([], { plainHttp: true }, work, dependencies, ({ clientOf }) =>
    clientOf({ registry: registry.host, repository: 'acme/mount-monitor' }).setTag(
      '1.2.3',
      other,
      MEDIA_TYPES.index,
    ),
  );
  await expect(publish({ images: [] })).rejects.toThrow(
    /expected no such tag or sha256:.*release another version/,
  );
});

it('signs a chart in the same way as the image, before its tag moves', async () => {
  const token = identityToken({
    sub: 'https://example.invalid/owner/app/chart.yml',
    iss: 'https://issuer.invalid',
  });
  const { published, said } = await publish({}, (subject) =>
    signImage(subject, { ...sigstore.services, identityToken: token }),
  );
  expect(said[0]).toMatch(/the signature is attached/);
  const signatures = [...registry.manifests.values()]
    .map(({ bytes }) => JSON.parse(bytes.toString()))
    .filter(({ subject }) => subject?.digest === published.digest);
  expect(signatures.length).toBe(1);
  const bundle = JSON.parse(registry.blobs.get(signatures[0].layers[0].digest)?.toString() ?? '{}');
  expect(sigstore.verify(bundle).name).toBe('https://example.invalid/owner/app/chart.yml');
});

it('helm itself pulls the published chart', async ({ skip }) => {
  const { helm, why } = await findHelm();
  if (helm === undefined) {
    if (process.env.CI) throw new Error(`in CI this test must run, but helm is missing: ${why}`);
    return skip(why);
  }
  await publish({});
  const chart = `oci://${registry.host}/acme/charts/mount-monitor`;
  const pulled = await mkdtemp(join(work, 'pulled-'));
  const env = { ...process.env, HOME: pulled, HELM_CACHE_HOME: pulled, HELM_CONFIG_HOME: pulled };
  await execute(helm, ['pull', chart, '--version=1.2.3', '--plain-http', '--untar', `--untardir=${pulled}`], {
    env,
  });
  const values = parse(await readFile(join(pulled, 'mount-monitor/values.yaml'), 'utf8'));
  expect(values.image.digest).toBe(digest);
  const { stdout } = await execute(helm, ['show', 'chart', join(pulled, 'mount-monitor')], { env });
  expect(parse(stdout)).toMatchObject({ version: '1.2.3', appVersion: '1.2.3' });
});
