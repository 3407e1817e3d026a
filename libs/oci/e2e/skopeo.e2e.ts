import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { QUIRK_USER, QUIRKS, type Quirk, startFakeRegistry, TAG_QUIRKS } from '@prebuilt/testing/registry';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Descriptor, MEDIA_TYPES } from '../src/descriptor.ts';
import { digestHex, digestOf } from '../src/digest.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 20_000;
const SKOPEO = await run('skopeo', ['--version']).then(
  () => true,
  () => false,
);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skopeo-'));
  await mkdir(join(folder, 'blobs/sha256'), { recursive: true });
  const put = async (mediaType: string, content: string): Promise<Descriptor> => {
    const digest = digestOf(content);
    await writeFile(join(folder, 'blobs/sha256', digestHex(digest)), content);
    return { mediaType, digest, size: Buffer.byteLength(content) };
  };
  const layer = await put(MEDIA_TYPES.layer, '\0'.repeat(1024));
  const config = await put(
    MEDIA_TYPES.config,
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [layer.digest] },
    }),
  );
  const document = { schemaVersion: 2, mediaType: MEDIA_TYPES.manifest, config, layers: [layer] };
  const manifest = await put(MEDIA_TYPES.manifest, JSON.stringify(document));
  await writeFile(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  await writeFile(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
});
afterAll(() => rm(folder, { recursive: true }));

async function copies(quirk: Quirk): Promise<boolean> {
  const registry = await startFakeRegistry({ quirks: [quirk] });
  try {
    const { username, password } = QUIRK_USER;
    const to = ['--dest-tls-verify=false', '--dest-creds', `${username}:${password}`];
    const images = [`oci:${folder}`, `docker://${registry.host}/owner/app:1.2.3`];
    return await run('skopeo', ['copy', '--preserve-digests', ...to, ...images], {
      timeout: TIMEOUT_MS,
    }).then(
      () => true,
      () => false,
    );
  } finally {
    await registry.close();
  }
}

// On CI it is installed: there the test fails where it can't run.
describe.skipIf(!SKOPEO && !process.env.CI)('skopeo', () => {
  it('copies to a registry without quirks', async () => {
    expect(await copies({ name: 'none', source: '', start: () => ({}) })).toBe(true);
  });

  // It lists no tags when it copies; here they decide which version is the highest.
  const failing = QUIRKS.filter((quirk) => quirk.outcome?.error !== undefined && !TAG_QUIRKS.includes(quirk));
  it.each(failing.map((quirk) => [quirk.name, quirk] as const))(
    'can not copy either where a publish fails, to a registry that %s',
    async (_, quirk) => {
      expect(await copies(quirk)).toBe(false);
    },
  );
});
