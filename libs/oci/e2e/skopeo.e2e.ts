import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  QUIRK_USER,
  QUIRKS,
  type Quirk,
  SKOPEO_FAILS,
  startFakeRegistry,
  UPLOAD_QUIRKS,
} from '@prebuilt/testing/registry';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Descriptor, MEDIA_TYPES } from '../src/descriptor.ts';
import { digestHex, digestOf } from '../src/digest.ts';

const run = promisify(execFile);
// skopeo waits between attempts, as we do, but by a clock that we can't move forward.
const TIMEOUT_MS = 30_000;
const SKOPEO = await run('skopeo', ['--version']).then(
  () => true,
  () => false,
);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skopeo-'));
  await writeLayout(join(folder, 'small'), Buffer.alloc(1024));
  // More than registries and their proxies take at once.
  await writeLayout(join(folder, 'large'), randomBytes(6 * 1024 * 1024 + 17));
});
afterAll(() => rm(folder, { recursive: true }));

/** An image for one platform in a layout, under an index. */
async function writeLayout(layout: string, content: Buffer): Promise<void> {
  await mkdir(join(layout, 'blobs/sha256'), { recursive: true });
  const put = async (mediaType: string, bytes: string | Buffer): Promise<Descriptor> => {
    const digest = digestOf(bytes);
    await writeFile(join(layout, 'blobs/sha256', digestHex(digest)), bytes);
    return { mediaType, digest, size: Buffer.byteLength(bytes) };
  };
  const layer = await put(MEDIA_TYPES.layer, content);
  const platform = { architecture: 'amd64', os: 'linux' };
  const rootfs = { type: 'layers', diff_ids: [layer.digest] };
  const config = await put(MEDIA_TYPES.config, JSON.stringify({ ...platform, rootfs }));
  const document = { schemaVersion: 2, mediaType: MEDIA_TYPES.manifest, config, layers: [layer] };
  const manifest = await put(MEDIA_TYPES.manifest, JSON.stringify(document));
  const list = { schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [{ ...manifest, platform }] };
  const index = await put(MEDIA_TYPES.index, JSON.stringify(list));
  await writeFile(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  await writeFile(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [index] }));
}

async function copies(quirk: Quirk): Promise<boolean> {
  const registry = await startFakeRegistry({ quirks: [quirk] });
  try {
    const { username, password } = QUIRK_USER;
    const to = ['--dest-tls-verify=false', '--dest-creds', `${username}:${password}`];
    const layout = join(folder, UPLOAD_QUIRKS.includes(quirk) ? 'large' : 'small');
    const images = [`oci:${layout}`, `docker://${registry.host}/owner/app:1.2.3`];
    // What skopeo remembers about other registries would make it ask for mounts.
    const env = { ...process.env, XDG_DATA_HOME: layout, _CONTAINERS_ROOTLESS_UID: '65534' };
    return await run('skopeo', ['copy', '--all', '--preserve-digests', ...to, ...images], {
      timeout: TIMEOUT_MS,
      env,
    }).then(
      () => registry.tags.has('owner/app:1.2.3'),
      () => false,
    );
  } finally {
    await registry.close();
  }
}

// It is installed in CI: if it can't run there, the test fails.
describe.skipIf(!SKOPEO && !process.env.CI)('skopeo', () => {
  it('skopeo copies to a registry without quirks', async () => {
    expect(await copies({ name: 'none', source: '', start: () => ({}) })).toBe(true);
  });

  it.concurrent.each(QUIRKS.map((quirk) => [quirk.name, quirk] as const))(
    'skopeo copies or fails as docs/registries.md says for a registry that %s',
    async (_, quirk) => {
      expect((await copies(quirk)) ? 'copies' : 'fails').toBe(
        SKOPEO_FAILS.has(quirk.name) ? 'fails' : 'copies',
      );
    },
    2 * TIMEOUT_MS,
  );

  it('skopeo never copies where a publish fails, unless the reason is written down', () => {
    const unexplained = QUIRKS.filter(
      ({ name, outcome }) =>
        outcome?.error !== undefined && outcome.error.why === undefined && !SKOPEO_FAILS.has(name),
    );
    expect(unexplained.map(({ name }) => name)).toEqual([]);
  });
});
