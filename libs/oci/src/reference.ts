import { type Digest, isDigest } from './digest.ts';
import { OciError } from './errors.ts';

/**
 * A repository in a registry: the host (with a port if one is given) as users write it, and the path.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests
 */
export interface ImageRepository {
  readonly registry: string;
  readonly repository: string;
}

/** A repository with a tag, a digest, both, or neither. */
export interface ImageReference extends ImageRepository {
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;
}

const DOCKER_HUB = 'docker.io';
const DOCKER_HUB_API = 'registry-1.docker.io';
const LONGEST = 4096;

const HOST =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/;
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const REPOSITORY = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** Whether the text can be a tag. */
export function isTag(text: string): boolean {
  return TAG.test(text);
}

/**
 * Parses an image reference the way Docker does: if the first part contains a dot or a colon, or is `localhost`, it is
 * the registry; otherwise the registry is Docker Hub, where a single name goes under `library/`. Throws
 * `INVALID_REFERENCE`.
 * https://pkg.go.dev/github.com/distribution/reference
 */
export function parseImageReference(text: string): ImageReference {
  if (text.length > LONGEST) throw invalid(text, `at most ${LONGEST} characters`);
  const [named = '', digest, ...more] = text.split('@');
  if (more.length > 0 || (digest !== undefined && !isDigest(digest)))
    throw invalid(text, 'one SHA-256 digest after "@"');
  const slash = named.indexOf('/');
  const first = slash < 0 ? '' : named.slice(0, slash);
  const hasHost = /[.:[]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  const registry = hasHost ? first : DOCKER_HUB;
  const rest = hasHost ? named.slice(slash + 1) : named;
  const colon = rest.lastIndexOf(':');
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  const path = colon < 0 ? rest : rest.slice(0, colon);
  if (!HOST.test(registry)) throw invalid(text, 'a host, with a port if needed, before the first "/"');
  if (tag !== undefined && !isTag(tag))
    throw invalid(text, 'a tag of at most 128 letters, digits, "_", "." and "-" after ":"');
  const isHub = registry === DOCKER_HUB || registry === 'index.docker.io';
  const repository = isHub && !path.includes('/') ? `library/${path}` : path;
  if (!REPOSITORY.test(repository) || repository.length > 255) {
    throw invalid(text, 'a repository of lowercase names separated by "/"');
  }
  return { registry: isHub ? DOCKER_HUB : registry, repository, tag, digest };
}

/** Parses a repository: a reference without a tag or a digest. Throws `INVALID_REFERENCE`. */
export function parseImageRepository(text: string): ImageRepository {
  const { registry, repository, tag, digest } = parseImageReference(text);
  if (tag !== undefined || digest !== undefined)
    throw invalid(text, 'a repository without a tag and without a digest');
  return { registry, repository };
}

/** The reference as text: `host/path[:tag][@digest]`. */
export function formatImageReference(reference: ImageRepository & Partial<ImageReference>): string {
  const { registry, repository, tag, digest } = reference;
  return `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** The host that serves a registry's API: for Docker Hub it differs from the name that users write. */
export function apiHost(registry: string): string {
  return registry === DOCKER_HUB ? DOCKER_HUB_API : registry;
}

/** Whether a host (with or without a port) is this machine, so that plain HTTP never reaches a network. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, '');
  return (
    name === 'localhost' ||
    name.endsWith('.localhost') ||
    name === '[::1]' ||
    /^127(?:\.\d{1,3}){3}$/.test(name)
  );
}

function invalid(text: string, expected: string): OciError {
  return new OciError(
    'INVALID_REFERENCE',
    `image reference: expected ${expected}, found ${JSON.stringify(text.slice(0, 200))}`,
    { hint: 'Write it as registry.example/name/of/repository:tag.' },
  );
}
