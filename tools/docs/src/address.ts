/** Placeholder for the owner of a copy of this repository. */
const PLACEHOLDER = 'OWNER';

/**
 * Replaces the placeholder in a text with the addresses of a copy: its repository, images, charts and reviewers.
 * Registries require lower case. Throws if `repository` is not `owner/name`.
 */
export function withAddress(text: string, repository: string): string {
  const [, owner, name] = /^([A-Za-z0-9-]+)\/([A-Za-z0-9._-]+)$/.exec(repository) ?? [];
  if (owner === undefined || name === undefined) {
    throw new RangeError(`expected owner/name, found ${JSON.stringify(repository)}`);
  }
  return text
    .replaceAll(`github.com/${PLACEHOLDER}/mount-monitor`, `github.com/${owner}/${name}`)
    .replaceAll(`ghcr.io/${PLACEHOLDER}/mount-monitor`, `ghcr.io/${owner}/${name}`.toLowerCase())
    .replaceAll(`ghcr.io/${PLACEHOLDER}/`, `ghcr.io/${owner.toLowerCase()}/`)
    .replaceAll(`@${PLACEHOLDER}`, `@${owner}`);
}
