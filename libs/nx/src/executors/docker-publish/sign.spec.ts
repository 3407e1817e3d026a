import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type FakeRegistry, sleepingClock, startFakeRegistry } from '@prebuilt/testing/registry';
import { identityToken, type SigstoreServices, startSigstore } from '@prebuilt/testing/sigstore';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { publish } from '../../../testing/publish.ts';
import { type PublishWorkspace, publishWorkspace } from '../../../testing/publish-workspace.ts';
import { parsePublishRecord } from '../../artifacts/publish-record.ts';
import { signingServices } from './sign.ts';

const SIGNER = 'https://example.invalid/owner/app/release.yml';
const ISSUER = 'https://issuer.example.invalid';

describe('a publish with --sign', () => {
  let registry: FakeRegistry;
  let workspace: PublishWorkspace;
  let sigstore: SigstoreServices;

  beforeEach(async () => {
    registry = await startFakeRegistry();
    workspace = await publishWorkspace({ version: '1.2.3', executableSize: 20_000 });
    sigstore = await startSigstore();
  });
  afterEach(async () => {
    await Promise.all([registry.close(), sigstore.close(), workspace.remove()]);
  });

  const signer = () => ({ ...sigstore.services, identityToken: identityToken({ sub: SIGNER, iss: ISSUER }) });
  const image = () => `${registry.host}/owner/app`;

  it('a publish with --sign but no identity token is refused before any request', async () => {
    const { success, output } = await publish(workspace, image(), { sign: true });
    expect(success).toBe(false);
    expect(output).toContain('error SIGN: sign: expected an OIDC identity token, found none');
    expect(output).toContain('id-token: write');
    expect(registry.log).toEqual([]);
  });

  it('a publish with --sign attaches a bundle for the index digest that verifies offline with the services’ keys', async () => {
    const signing = signer();
    const result = await publish(workspace, image(), { sign: true }, { signing });
    expect(result.output).not.toContain('error');
    expect(result.success).toBe(true);
    const path = join(workspace.root, 'dist/publish/record.json');
    const record = parsePublishRecord(await readFile(path, 'utf8'), path);
    const signature = record.images[0]?.signature;
    if (signature?.outcome !== 'attached')
      throw new Error(`expected a signature, found ${signature?.outcome}`);
    const attached = registry.manifests.get(`owner/app@${signature.digest}`);
    const manifest = JSON.parse(attached?.bytes.toString('utf8') ?? '{}');
    expect(manifest).toMatchObject({
      artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
      subject: { digest: workspace.index.digest },
    });
    const bundle = JSON.parse(registry.blobs.get(manifest.layers[0].digest)?.toString('utf8') ?? '{}');
    expect(sigstore.verify(bundle)).toEqual({ name: SIGNER, issuer: ISSUER });
    const statement = JSON.parse(Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString('utf8'));
    expect(statement.subject).toEqual([
      { digest: { sha256: workspace.index.digest.slice('sha256:'.length) } },
    ]);

    const changed = structuredClone(bundle);
    changed.dsseEnvelope.payload = Buffer.from('{}').toString('base64');
    expect(() => sigstore.verify(changed)).toThrow();
    expect(`${result.output}${JSON.stringify(record)}`).not.toContain(signing.identityToken);
  });

  it('a rerun with --sign attaches another signature next to the first, and moves nothing', async () => {
    const signing = signer();
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

  it('a publish with --sign uses the services that the environment names', async () => {
    const { fulcioURL, rekorURL, identityToken } = signer();
    const environment = { ...workspace.environment, FULCIO_URL: fulcioURL, REKOR_URL: rekorURL };
    const result = await publish(
      workspace,
      image(),
      { sign: true },
      { environment, signing: { identityToken } },
    );
    expect(result.output).not.toContain('error');
    expect(result.output).toContain(`signed, certified by ${fulcioURL}, logged in ${rekorURL}`);
    expect(result.success).toBe(true);
  });

  it('a dry run with --sign says that it would sign, and with which services, but requests no signature', async () => {
    const signing = { ...signer(), fulcioURL: 'http://127.0.0.1:1', rekorURL: 'http://127.0.0.1:2' };
    const dry = { sign: true, dryRun: true };
    const { success, output } = await publish(workspace, image(), dry, { signing });
    expect(success).toBe(true);
    expect(output).toContain('signed, certified by http://127.0.0.1:1, logged in http://127.0.0.1:2');
    const unsigned = await publish(workspace, image(), { dryRun: true });
    expect(unsigned.output).not.toContain('signed');
    const json = await publish(workspace, image(), { ...dry, json: true }, { signing });
    expect(json.output).toContain('"fulcioURL": "http://127.0.0.1:1"');
    expect(json.output).not.toContain(signing.identityToken);
  });

  const unanswering = () => ({
    signing: { ...signer(), fulcioURL: 'http://127.0.0.1:1' },
    clock: sleepingClock(),
  });

  it('the tags move if the authority does not answer, and the output says what is missing and why', async () => {
    const { success, output } = await publish(workspace, image(), { sign: true }, unanswering());
    expect(success).toBe(true);
    expect(output).toContain(`the signature is not attached: sign ${workspace.index.digest}: `);
    expect(registry.tags.get('owner/app:1.2.3')).toBe(workspace.index.digest);
    const path = join(workspace.root, 'dist/publish/record.json');
    expect(parsePublishRecord(await readFile(path, 'utf8'), path).images[0]?.signature).toMatchObject({
      outcome: 'refused',
      step: 'sign',
      status: null,
      reason: expect.stringContaining(`sign ${workspace.index.digest}: `),
    });
  });

  it('no tag moves if the authority does not answer and the signature is required', async () => {
    const required = { sign: true, requireSignature: true };
    const { success, output } = await publish(workspace, image(), required, unanswering());
    expect(success).toBe(false);
    expect(output).toContain(
      `error SIGN: ${image()}@${workspace.index.digest}: expected the signature to be attached (--require-signature), found it refused: sign ${workspace.index.digest}: `,
    );
    expect([...registry.tags.keys()].filter((tag) => tag.startsWith('owner/app:'))).toEqual([]);
    expect(await workspace.leftovers()).not.toContain('record.json');
  });

  it('a publish with --require-signature but without --sign is refused before any request', async () => {
    const { success, output } = await publish(workspace, image(), { requireSignature: true });
    expect(success).toBe(false);
    expect(output).toContain('error INVALID_OPTIONS: require-signature: needs --sign too, found none');
    expect(registry.log).toEqual([]);
  });
});

describe('the signing services', () => {
  const PRIVATE = { FULCIO_URL: 'https://fulcio.example.com/', REKOR_URL: 'https://rekor.example.com/log' };

  it.each([{}, { FULCIO_URL: '', REKOR_URL: '' }])(
    'the signing services are the public ones for the environment %j',
    (environment) => {
      expect(signingServices({}, environment)).toEqual({
        fulcioURL: 'https://fulcio.sigstore.dev',
        rekorURL: 'https://rekor.sigstore.dev',
      });
    },
  );

  it('the signing services come from the options, then from the environment', () => {
    expect(signingServices({}, PRIVATE)).toEqual({
      fulcioURL: 'https://fulcio.example.com',
      rekorURL: 'https://rekor.example.com/log',
    });
    const options = { fulcioUrl: 'http://127.0.0.1:5555', rekorUrl: 'http://localhost:3000' };
    expect(signingServices(options, PRIVATE)).toEqual({
      fulcioURL: 'http://127.0.0.1:5555',
      rekorURL: 'http://localhost:3000',
    });
  });

  it.each([
    [
      { fulcioUrl: 'https://fulcio.example.com' },
      {},
      'rekor-url: required along with fulcio-url, found none',
    ],
    [{}, { REKOR_URL: 'https://rekor.example.com' }, 'fulcio-url: required along with rekor-url, found none'],
  ])(
    'the signing services are refused if one is private and the other public: %j %j',
    (options, environment, message) => {
      expect(() => signingServices(options, environment)).toThrow(message);
    },
  );

  it.each([
    ['http://fulcio.example.com', 'found http://fulcio.example.com'],
    ['http://127.0.0.1.example.com', 'found http://127.0.0.1.example.com'],
    ['file:///etc', 'found file://'],
    ['fulcio.example.com', 'found none'],
    ['https://somebody:secret@fulcio.example.com', 'found a URL on fulcio.example.com that has one'],
    ['https://fulcio.example.com/?key=secret', 'found a URL on fulcio.example.com that has one'],
  ])('the signing services are refused at the URL %s', (fulcioUrl, found) => {
    const attempt = () => signingServices({ fulcioUrl, rekorUrl: 'https://rekor.example.com' }, {});
    expect(attempt).toThrow(`fulcio-url: expected an https URL (http on loopback only)`);
    expect(attempt).toThrow(found);
    expect(attempt).not.toThrow('secret');
  });
});
