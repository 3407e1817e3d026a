import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { bundleFromJSON, type SerializedBundle } from '@sigstore/bundle';
import { fulcioHandler, initializeCA, initializeCTLog, initializeTLog, rekorHandler } from '@sigstore/mock';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { attest } from 'sigstore';

/** The signer in a certificate. */
export interface Signer {
  readonly name: string | undefined;
  readonly issuer: string | undefined;
}

/** Sigstore's certificate authority and transparency log, on loopback. */
export interface SigstoreServices {
  readonly services: { readonly fulcioURL: string; readonly rekorURL: string };
  /** Signs an in-toto statement with the identity in the claims. Returns the bundle as JSON. */
  sign(statement: object, claims: Claims): Promise<string>;
  /** Verifies a bundle offline, with the authority's certificate and the logs' keys. Throws if it is not valid. */
  verify(bundle: SerializedBundle): Signer;
  close(): Promise<void>;
}

/** Claims of an identity token, such as `sub` and `iss`. */
export type Claims = Readonly<Record<string, string | number>>;

/** An identity token for Sigstore that is valid for ten minutes, with a signature that is not checked here. */
export function identityToken(claims: Claims): string {
  const payload = { aud: 'sigstore', exp: Math.floor(Date.now() / 1000) + 600, ...claims };
  const parts = [{ alg: 'RS256', typ: 'JWT' }, payload].map((part) =>
    Buffer.from(JSON.stringify(part)).toString('base64url'),
  );
  return [...parts, randomBytes(32).toString('base64url')].join('.');
}

/** Starts the services, built from Sigstore's own mocks, with new keys. */
export async function startSigstore(): Promise<SigstoreServices> {
  const keys = () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const from = new Date(Date.now() - 60_000);
  const ctLog = await initializeCTLog(keys());
  const ca = await initializeCA(keys(), ctLog);
  let handlers: readonly ReturnType<typeof fulcioHandler>[] = [];
  const server = createServer(async (request: IncomingMessage, response) => {
    const handler = handlers.find(({ path }) => path === request.url);
    if (handler === undefined) return void response.writeHead(404).end();
    const body = await text(request);
    const problem = refusal(body);
    if (problem !== undefined) return void response.writeHead(400).end(problem);
    const answer = await handler.fn(asNamed(asLogged(body)));
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
  return {
    services: { fulcioURL: url, rekorURL: url },
    sign: async (statement, claims) => {
      const services = { fulcioURL: url, rekorURL: url, identityToken: identityToken(claims) };
      const payload = Buffer.from(JSON.stringify(statement));
      return JSON.stringify(await attest(payload, 'application/vnd.in-toto+json', services));
    },
    verify: (bundle) => {
      const { identity } = new Verifier(trust).verify(toSignedEntity(bundleFromJSON(bundle)));
      return { name: identity?.subjectAlternativeName, issuer: identity?.extensions?.issuer };
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function claimsIn(body: string): Record<string, unknown> | undefined {
  const token: unknown = JSON.parse(body).credentials?.oidcIdentityToken;
  return typeof token === 'string'
    ? JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'))
    : undefined;
}

// The authority accepts only tokens that were issued for it and have not expired.
function refusal(body: string): string | undefined {
  const claims = claimsIn(body);
  if (claims === undefined) return undefined;
  if (claims.aud !== 'sigstore') return `token: expected the audience "sigstore", found ${claims.aud}`;
  return Number(claims.exp) * 1000 > Date.now() ? undefined : 'token: expired';
}

/**
 * Rewrites a certificate request to the name that the authority gives to a GitHub Actions job: the URL of its workflow.
 * https://github.com/sigstore/fulcio/blob/main/docs/oidc.md#github
 */
function asNamed(body: string): string {
  const claims = claimsIn(body);
  if (claims?.job_workflow_ref === undefined) return body;
  const request = JSON.parse(body);
  const named = { ...claims, sub: `https://github.com/${claims.job_workflow_ref}` };
  const payload = Buffer.from(JSON.stringify(named)).toString('base64url');
  request.credentials.oidcIdentityToken = request.credentials.oidcIdentityToken.replace(
    /\.[^.]+\./,
    `.${payload}.`,
  );
  return JSON.stringify(request);
}

/**
 * The entry that the log stores for a proposed DSSE envelope: hashes and signatures in its place, as in Rekor.
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
