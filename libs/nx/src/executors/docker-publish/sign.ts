import { Readable } from 'node:stream';
import { type Descriptor, digestHex, digestOf, isLoopback } from '@prebuilt/oci';
import type { Artifact } from '@prebuilt/oci/registry';
import { PrebuiltError } from '../../errors.ts';
import type { DockerPublishOptions } from './options.ts';

/** The URLs of Sigstore's services: the one that certifies signatures, and the one that logs them. */
export interface SigningAddresses {
  readonly fulcioURL: string;
  readonly rekorURL: string;
}

/** Where a signature comes from. The identity token defaults to the CI job's. */
export interface SigningServices extends SigningAddresses {
  readonly identityToken?: string;
}

const BUNDLE_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const PREDICATE_TYPE = 'https://sigstore.dev/cosign/sign/v1';

const PUBLIC = { fulcio: 'https://fulcio.sigstore.dev', rekor: 'https://rekor.sigstore.dev' };

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The certificate authority and the transparency log: from the options, then from `FULCIO_URL` and `REKOR_URL`, then
 * the public ones. Throws `INVALID_OPTIONS` for a URL that is not HTTPS (HTTP is allowed on loopback only), and if only
 * one of the two is set, since a private authority's certificates would end up in the public log.
 */
export function signingServices(
  options: Pick<DockerPublishOptions, 'fulcioUrl' | 'rekorUrl'>,
  environment: Environment,
): SigningAddresses {
  const fulcio = options.fulcioUrl ?? (environment.FULCIO_URL || undefined);
  const rekor = options.rekorUrl ?? (environment.REKOR_URL || undefined);
  if ((fulcio === undefined) !== (rekor === undefined)) {
    const [given, lacking] = fulcio === undefined ? ['rekor-url', 'fulcio-url'] : ['fulcio-url', 'rekor-url'];
    throw new PrebuiltError('INVALID_OPTIONS', `${lacking}: required along with ${given}, found none`, {
      hint: 'A private Sigstore instance has its own authority and log: set both, or neither to use the public one.',
    });
  }
  return {
    fulcioURL: parseAddress('fulcio-url', fulcio ?? PUBLIC.fulcio),
    rekorURL: parseAddress('rekor-url', rekor ?? PUBLIC.rekor),
  };
}

function parseAddress(name: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const secure = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.host));
  if (url !== undefined && secure && `${url.username}${url.password}${url.search}${url.hash}` === '')
    return url.href.replace(/\/+$/, '');
  // Never print the whole text: it may contain a secret.
  const found =
    url === undefined
      ? 'none'
      : secure
        ? `a URL on ${url.host} that has one`
        : `${url.protocol}//${url.host}`;
  throw new PrebuiltError(
    'INVALID_OPTIONS',
    `${name}: expected an https URL (http on loopback only) without credentials, query or fragment, found ${found}`,
  );
}

/**
 * The services to sign with; `given` takes precedence over the options and the environment. Throws `SIGN` if there is
 * no identity token: neither from a GitHub Actions job with the permission `id-token: write`, nor from
 * `SIGSTORE_ID_TOKEN`.
 */
export function signingFacts(
  options: Pick<DockerPublishOptions, 'fulcioUrl' | 'rekorUrl'>,
  environment: Environment,
  { identityToken, ...given }: Partial<SigningServices> = {},
): SigningAddresses {
  const addresses = { ...signingServices(options, environment), ...given };
  const fromActions = environment.ACTIONS_ID_TOKEN_REQUEST_URL && environment.ACTIONS_ID_TOKEN_REQUEST_TOKEN;
  if (identityToken || fromActions || environment.SIGSTORE_ID_TOKEN) return addresses;
  throw new PrebuiltError('SIGN', 'sign: expected an OIDC identity token, found none', {
    hint: 'In GitHub Actions, give the job "permissions: id-token: write"; elsewhere, set SIGSTORE_ID_TOKEN, or omit --sign.',
  });
}

/**
 * Signs an image's digest with a short-lived certificate (minutes) that names the requester, and has the signature
 * logged publicly. Returns the bundle as an artifact to attach: an in-toto statement as cosign writes and verifies it.
 * Throws `SIGN` if a Sigstore service can't be used.
 * https://github.com/sigstore/cosign/blob/main/specs/BUNDLE_SPEC.md
 */
export async function signImage(subject: Descriptor, services: SigningServices): Promise<Artifact> {
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ digest: { sha256: digestHex(subject.digest) } }],
    predicateType: PREDICATE_TYPE,
    predicate: {},
  };
  // Loaded only if something is signed.
  const { attest } = await import('sigstore');
  const bundle = await attest(
    Buffer.from(JSON.stringify(statement)),
    'application/vnd.in-toto+json',
    services,
  ).catch((cause: Error) => {
    throw new PrebuiltError('SIGN', `sign ${subject.digest}: ${cause.message}`, {
      hint: 'Run it again; if it keeps failing, check the status of Sigstore.',
      cause,
    });
  });
  return bundleArtifact(Buffer.from(JSON.stringify(bundle)));
}

function bundleArtifact(content: Buffer): Artifact {
  const descriptor = { mediaType: BUNDLE_TYPE, digest: digestOf(content), size: content.length };
  return {
    artifactType: BUNDLE_TYPE,
    annotations: {
      'dev.sigstore.bundle.content': 'dsse-envelope',
      'dev.sigstore.bundle.predicateType': PREDICATE_TYPE,
    },
    layers: [{ descriptor, open: (offset) => Readable.from([content.subarray(offset)]) }],
  };
}
