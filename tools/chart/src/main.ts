// Publishes the Helm chart: --image=ghcr.io/acme/mount-monitor, RELEASE_VERSION=1.2.3. With --wait=MINUTES it waits for
// the image, whose release runs in parallel; with --sign the chart is signed like the image.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connect, signImage, signingFacts } from '@prebuilt/nx/publishing';
import { parseImageRepository } from '@prebuilt/oci';
import { publishChart } from './publish.ts';

const ROOT = join(import.meta.dirname, '../../..');
const POLL_MS = 30_000;

const { values } = parseArgs({
  options: {
    image: { type: 'string' },
    charts: { type: 'string' },
    version: { type: 'string' },
    wait: { type: 'string', default: '0' },
    sign: { type: 'string', default: 'false' },
  },
});
const image = values.image?.toLowerCase();
const version = (values.version ?? process.env.RELEASE_VERSION)?.replace(/^v/, '');
if (image === undefined || version === undefined) {
  console.error('error: expected --image=REGISTRY/OWNER/NAME, and --version or RELEASE_VERSION');
  process.exit(2);
}
const charts = values.charts ?? `${image.slice(0, image.lastIndexOf('/'))}/charts`;
const repositories = [parseImageRepository(image), parseImageRepository(`${charts}/mount-monitor`)];
const services = values.sign === 'true' ? signingFacts({}, process.env) : undefined;

await connect(repositories, { plainHttp: false }, ROOT, {}, async ({ clientOf }) => {
  const deadline = Date.now() + Number(values.wait) * 60_000;
  while (
    (await clientOf(parseImageRepository(image)).headManifest(version)) === undefined &&
    Date.now() < deadline
  ) {
    console.log(`${image}:${version} is not published yet`);
    await sleep(POLL_MS);
  }
  await publishChart(
    { folder: join(ROOT, 'apps/mount-monitor/chart/mount-monitor'), version, image, charts },
    {
      clientOf,
      sign: services === undefined ? undefined : (subject) => signImage(subject, services),
      say: (line) => console.log(line),
    },
  );
});
