const DOCKER_HUB = 'docker.io';
const DOCKER_HUB_NAMES: ReadonlySet<string> = new Set([
  DOCKER_HUB,
  'index.docker.io',
  'registry-1.docker.io',
]);

/** The key under which `docker login` stores Docker Hub's credentials, and which its helpers expect. */
export const DOCKER_HUB_KEY = 'https://index.docker.io/v1/';

/**
 * Normalizes a registry, or a path in it, as users and programs write it in configuration (`http://host`,
 * `https://host/v1/`, `host/path`), to `host[:port][/path]`.
 */
export function normalizeKey(key: string): string {
  const address = withoutTrailing(key.trim().replace(/^https?:\/\//i, ''), '/');
  const bare = withoutTrailing(address.replace(/\/v[12]$/, ''), '/');
  const slash = bare.indexOf('/');
  const host = (slash < 0 ? bare : bare.slice(0, slash)).toLowerCase();
  const path = slash < 0 ? '' : bare.slice(slash);
  return `${DOCKER_HUB_NAMES.has(host) ? DOCKER_HUB : host}${path}`;
}

/** The text without any trailing occurrences of this character. */
export function withoutTrailing(text: string, character: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === character) end -= 1;
  return text.slice(0, end);
}

/**
 * The keys that apply to a repository, most specific first: `host/path/name`, `host/path`, `host`.
 * https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md#format
 */
export function keysOf(registry: string, repository: string | undefined): readonly string[] {
  const parts = repository === undefined ? [] : repository.split('/');
  const host = normalizeKey(registry);
  return Array.from({ length: parts.length + 1 }, (_, left) =>
    [host, ...parts.slice(0, parts.length - left)].join('/'),
  );
}
