import type { Descriptor } from '@prebuilt/oci';
import { digestHex } from '@prebuilt/oci';
import { attest } from 'sigstore';
import { PrebuiltError } from '../../errors.ts';
import { type Artifact, documentArtifact } from './referrer.ts';

/** Where a signature comes from, where it is not the public instance of Sigstore with the CI job's identity. */
export interface SigningServices {
  readonly fulcioURL?: string;
  readonly rekorURL?: string;
  readonly identityToken?: string;
}

const BUNDLE_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const PREDICATE_TYPE = 'https://sigstore.dev/cosign/sign/v1';

/**
 * Throws `SIGN` where no identity token can be had: neither the one of a GitHub Actions job with the permission
 * `id-token: write`, nor `SIGSTORE_ID_TOKEN`.
 */
export function requireSigningIdentity(
  environment: Readonly<Record<string, string | undefined>>,
  services: SigningServices,
): void {
  const fromActions = environment.ACTIONS_ID_TOKEN_REQUEST_URL && environment.ACTIONS_ID_TOKEN_REQUEST_TOKEN;
  if (services.identityToken || fromActions || environment.SIGSTORE_ID_TOKEN) return;
  throw new PrebuiltError('SIGN', 'sign: expected an OIDC identity token, found none', {
    hint: 'In GitHub Actions give the job "permissions: id-token: write"; elsewhere set SIGSTORE_ID_TOKEN, or leave --sign out.',
  });
}

/**
 * Signs an image's digest with a certificate that lives for minutes and names who asked for it, and has the signature
 * logged in public. Gives the bundle as an artifact to attach: an in-toto statement as cosign writes and verifies it.
 * Throws `SIGN` where a service of Sigstore can't be used.
 * https://github.com/sigstore/cosign/blob/main/specs/BUNDLE_SPEC.md
 */
export async function signImage(subject: Descriptor, services: SigningServices): Promise<Artifact> {
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ digest: { sha256: digestHex(subject.digest) } }],
    predicateType: PREDICATE_TYPE,
    predicate: {},
  };
  const bundle = await attest(
    Buffer.from(JSON.stringify(statement)),
    'application/vnd.in-toto+json',
    services,
  ).catch((cause: Error) => {
    throw new PrebuiltError('SIGN', `sign ${subject.digest}: ${cause.message}`, {
      hint: 'Nothing was tagged. Run it again; if it stays, look at the status of Sigstore.',
      cause,
    });
  });
  return documentArtifact(BUNDLE_TYPE, Buffer.from(JSON.stringify(bundle)), {
    'dev.sigstore.bundle.content': 'dsse-envelope',
    'dev.sigstore.bundle.predicateType': PREDICATE_TYPE,
  });
}
