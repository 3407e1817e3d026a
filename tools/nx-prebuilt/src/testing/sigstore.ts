import { createHash, generateKeyPairSync } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { bundleFromJSON, type SerializedBundle } from '@sigstore/bundle';
import { fulcioHandler, initializeCA, initializeCTLog, initializeTLog, rekorHandler } from '@sigstore/mock';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import type { SigningServices } from '../executors/docker-publish/sign.ts';

/** A certificate authority and a transparency log of Sigstore on loopback. */
export interface SigstoreServices {
  readonly services: SigningServices;
  /** Verifies a bundle with the authority's certificate and the logs' keys, offline. Gives the signer's name. Throws. */
  verify(bundle: SerializedBundle): string | undefined;
  close(): Promise<void>;
}

/** Starts the services, from Sigstore's own test material, with keys made for this start. */
export async function startSigstore(subject: string): Promise<SigstoreServices> {
  const keys = () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const from = new Date(Date.now() - 60_000);
  const ctLog = await initializeCTLog(keys());
  const ca = await initializeCA(keys(), ctLog);
  let handlers: readonly ReturnType<typeof fulcioHandler>[] = [];
  const server = createServer(async (request: IncomingMessage, response) => {
    const handler = handlers.find(({ path }) => path === request.url);
    if (handler === undefined) return void response.writeHead(404).end();
    const answer = await handler.fn(asLogged(await text(request)));
    response.writeHead(answer.statusCode, { 'content-type': answer.contentType ?? 'text/plain' });
    response.end(answer.response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const log = await initializeTLog(url, keys());
  handlers = [fulcioHandler(ca), rekorHandler(log)];
  const bytesOf = (view: ArrayBufferView): Buffer =>
    Buffer.from(view.buffer, view.byteOffset, view.byteLength);
  const logOf = (baseUrl: string, publicKey: Buffer, keyId: Buffer) => ({
    baseUrl,
    hashAlgorithm: 1,
    // PKIX_ECDSA_P256_SHA_256
    publicKey: { rawBytes: publicKey, keyDetails: 5, validFor: { start: from, end: undefined } },
    logId: { keyId },
    checkpointKeyId: undefined,
    operator: 'test',
  });
  const trust = toTrustMaterial({
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: [logOf(url, log.publicKey, createHash('sha256').update(log.publicKey).digest())],
    ctlogs: [logOf('https://ctlog.invalid', ctLog.publicKey, bytesOf(ctLog.logID))],
    certificateAuthorities: [
      {
        subject: undefined,
        uri: url,
        certChain: { certificates: [{ rawBytes: bytesOf(ca.rootCertificate) }] },
        validFor: { start: from, end: undefined },
        operator: 'test',
      },
    ],
    timestampAuthorities: [],
  });
  const token = [
    { alg: 'none' },
    { sub: subject, iss: url, aud: 'sigstore', exp: Math.floor(Date.now() / 1000) + 600 },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  return {
    services: { fulcioURL: url, rekorURL: url, identityToken: `${token}.` },
    verify: (bundle) =>
      new Verifier(trust).verify(toSignedEntity(bundleFromJSON(bundle))).identity?.subjectAlternativeName,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/**
 * The entry that the log keeps for a proposed DSSE envelope: hashes and signatures in its place, as Rekor does it.
 * https://github.com/sigstore/rekor/blob/main/pkg/types/dsse/v0.0.1/dsse_v0_0_1_schema.json
 */
function asLogged(body: string): string {
  const proposed = JSON.parse(body);
  const content = proposed.kind === 'dsse' ? proposed.spec?.proposedContent : undefined;
  if (content === undefined) return body;
  const envelope = JSON.parse(content.envelope);
  const hashOf = (bytes: string | Buffer) => ({
    algorithm: 'sha256',
    value: createHash('sha256').update(bytes).digest('hex'),
  });
  const spec = {
    envelopeHash: hashOf(content.envelope),
    payloadHash: hashOf(Buffer.from(envelope.payload, 'base64')),
    signatures: envelope.signatures.map(({ sig }: { readonly sig: string }, index: number) => ({
      signature: sig,
      verifier: content.verifiers[index],
    })),
  };
  return JSON.stringify({ ...proposed, spec });
}
