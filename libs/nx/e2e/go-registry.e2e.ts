import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { skipOutsideCi } from '@prebuilt/testing/engine';
import { findGoRegistry, startGoRegistry } from '@prebuilt/testing/registry';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { parsePublishRecord } from '../src/artifacts/publish-record.ts';
import { publish } from '../testing/publish.ts';
import { publishWorkspace } from '../testing/publish-workspace.ts';

const WRITES = /^(?:PUT|PATCH|POST|DELETE) /;

// A single test, since the registry is compiled for it.
it('publishing to the registry of go-containerregistry, which lists referrers, sends everything once, nothing again, and only the changes of the next version', async ({
  skip,
}) => {
  const sources =
    (await findGoRegistry()) ??
    skipOutsideCi(
      'go, or the sources of go-containerregistry, are missing; as root: npm run engine -- up --with-readers',
      skip,
    );
  const folder = await mkdtemp(join(tmpdir(), 'go-registry-'));
  const [registry, workspace] = await Promise.all([
    startGoRegistry(sources, folder),
    publishWorkspace({ version: '1.2.3' }),
  ]);
  try {
    const image = `${registry.host}/owner/app`;
    const published = async () => {
      const before = registry.requests().length;
      const { success, output } = await publish(workspace, image);
      expect(success, output).toBe(true);
      const path = join(workspace.root, 'dist/publish/record.json');
      const [record] = parsePublishRecord(await readFile(path, 'utf8'), path).images;
      const writes = registry
        .requests()
        .slice(before)
        .filter((line) => WRITES.test(line));
      return { record, writes };
    };
    const first = await published();
    expect(first.record).toMatchObject({ blobsSent: 5, blobsSkipped: 0, sbom: { listedBy: 'api' } });
    const index = workspace.index.digest;
    const listed = async () => {
      const list = await fetch(`http://${registry.host}/v2/owner/app/referrers/${index}`);
      const { manifests } = (await list.json()) as { readonly manifests: readonly { digest: string }[] };
      return manifests.map(({ digest }) => digest);
    };
    const { sbom } = first.record ?? {};
    expect(await listed()).toEqual([sbom?.outcome === 'attached' && sbom.digest]);

    const again = await published();
    expect(again.record).toMatchObject({ blobsSent: 0, blobsSkipped: 5 });
    expect(await listed()).toHaveLength(1);
    // It can neither cancel an upload nor report an upload's progress.
    expect(again.writes).toEqual([
      'POST /v2/owner/app/blobs/uploads/',
      expect.stringMatching(/^DELETE \/v2\/owner\/app\/blobs\/uploads\//),
    ]);

    const copy = ['copy', '--all', '--src-tls-verify=false', `docker://${image}:1`, `oci:${folder}/copy:1`];
    const skopeo = await execa('skopeo', copy, { reject: false });
    if (skopeo.code === 'ENOENT') skipOutsideCi('skopeo is missing: apt-get install skopeo', skip);
    expect(skopeo.failed, skopeo.stderr).toBe(false);
    const { manifests } = JSON.parse(await readFile(join(folder, 'copy/index.json'), 'utf8'));
    expect(manifests[0].digest).toBe(index);

    await workspace.release({ version: '1.2.4' });
    const next = await published();
    expect(next.record).toMatchObject({ blobsSent: 4, blobsSkipped: 1, sbom: { listedBy: 'api' } });
    expect(next.record?.tags.map(({ tag, outcome }) => `${tag} ${outcome}`)).toEqual([
      '1.2.4 moved',
      'v1.2.4 moved',
      '1.2 moved',
      '1 moved',
      'latest moved',
    ]);
  } finally {
    await registry.stop();
    await workspace.remove();
    await rm(folder, { recursive: true, force: true });
  }
}, 120_000);
