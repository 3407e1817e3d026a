import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parsePublishRecord } from '@prebuilt/artifacts';
import { type FakeRegistry, startFakeRegistry } from '@prebuilt/oci/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { publish, sleepingClock } from '../../testing/publish.ts';
import { type PublishWorkspace, publishWorkspace } from '../../testing/publish-workspace.ts';
import { type SigstoreServices, startSigstore } from '../../testing/sigstore.ts';

const SIGNER = 'https://example.invalid/owner/app/release.yml';

describe('a publish with --sign', () => {
  let registry: FakeRegistry;
  let workspace: PublishWorkspace;
  let sigstore: SigstoreServices;

  beforeEach(async () => {
    registry = await startFakeRegistry();
    workspace = await publishWorkspace({ version: '1.2.3', executableSize: 20_000 });
    sigstore = await startSigstore(SIGNER);
  });
  afterEach(async () => {
    await Promise.all([registry.close(), sigstore.close(), workspace.remove()]);
  });

  const image = () => `${registry.host}/owner/app`;

  it('is refused before a request is sent where there is no identity token', async () => {
    const { success, output } = await publish(workspace, image(), { sign: true });
    expect(success).toBe(false);
    expect(output).toContain('error SIGN: sign: expected an OIDC identity token, found none');
    expect(output).toContain('id-token: write');
    expect(registry.log).toEqual([]);
  });

  it('attaches a bundle over the digest of the index that verifies with the keys of the services, offline', async () => {
    const signing = sigstore.services;
    const result = await publish(workspace, image(), { sign: true }, { signing });
    expect(result.output).not.toContain('error');
    expect(result.success).toBe(true);
    const path = join(workspace.root, 'dist/publish/record.json');
    const record = parsePublishRecord(await readFile(path, 'utf8'), path);
    const attached = registry.manifests.get(`owner/app@${record.images[0]?.signature?.digest}`);
    const manifest = JSON.parse(attached?.bytes.toString('utf8') ?? '{}');
    expect(manifest).toMatchObject({
      artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
      subject: { digest: workspace.index.digest },
    });
    const bundle = JSON.parse(registry.blobs.get(manifest.layers[0].digest)?.toString('utf8') ?? '{}');
    expect(sigstore.verify(bundle)).toBe(SIGNER);
    const statement = JSON.parse(Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString('utf8'));
    expect(statement.subject).toEqual([
      { digest: { sha256: workspace.index.digest.slice('sha256:'.length) } },
    ]);

    const changed = structuredClone(bundle);
    changed.dsseEnvelope.payload = Buffer.from('{}').toString('base64');
    expect(() => sigstore.verify(changed)).toThrow();
    expect(`${result.output}${JSON.stringify(record)}`).not.toContain(signing.identityToken);
  });

  it('attaches one more signature on a rerun, beside the first, and moves nothing', async () => {
    const { services: signing } = sigstore;
    const signatures = () =>
      [...registry.manifests.keys()].filter((key) =>
        registry.manifests.get(key)?.bytes.includes('"artifactType":"application/vnd.dev.sigstore.bundle'),
      );
    expect(await publish(workspace, image(), { sign: true }, { signing })).toMatchObject({ success: true });
    const first = signatures();
    expect(first).toHaveLength(1);
    const moves = registry.tagMoves.length;
    expect(await publish(workspace, image(), { sign: true }, { signing })).toMatchObject({ success: true });
    expect(signatures()).toEqual([...first, expect.stringMatching(/^owner\/app@sha256:/)]);
    expect(registry.tagMoves).toHaveLength(moves);
  });

  it('moves no tag where the authority does not answer', async () => {
    const signing = { ...sigstore.services, fulcioURL: 'http://127.0.0.1:1' };
    const { success, output } = await publish(
      workspace,
      image(),
      { sign: true },
      { signing, clock: sleepingClock() },
    );
    expect(success).toBe(false);
    expect(output).toContain(`error SIGN: sign ${workspace.index.digest}: `);
    expect(registry.tags.size).toBe(0);
  });
});
