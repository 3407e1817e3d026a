/** What stands for whoever publishes a copy of this repository. */
const PLACEHOLDER = 'OWNER';

/**
 * The text with the addresses of a copy: of the repository, its images and charts, and its reviewers. Registries want
 * lower case. Throws where `repository` is not `owner/name`.
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
