/** How a registry wants to be shown who asks (`WWW-Authenticate`). */
export type Challenge =
  | { readonly scheme: 'basic' }
  | {
      readonly scheme: 'bearer';
      readonly realm: string;
      readonly service: string | undefined;
      readonly scope: string | undefined;
    };

/**
 * Reads a `WWW-Authenticate` header; undefined where it holds neither Basic nor a Bearer with a realm.
 * https://distribution.github.io/distribution/spec/auth/token/#how-to-authenticate
 */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  const [, scheme, rest = ''] = /^\s*([A-Za-z]+)(?:\s+(.*))?$/s.exec(header ?? '') ?? [];
  if (scheme?.toLowerCase() === 'basic') return { scheme: 'basic' };
  if (scheme?.toLowerCase() !== 'bearer') return undefined;
  const parameters = new Map<string, string>();
  for (const [, name, quoted, plain] of rest.matchAll(
    /([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g,
  )) {
    if (name !== undefined)
      parameters.set(name.toLowerCase(), quoted?.replaceAll(/\\(.)/g, '$1') ?? plain ?? '');
  }
  const realm = parameters.get('realm');
  if (!realm) return undefined;
  return { scheme: 'bearer', realm, service: parameters.get('service'), scope: parameters.get('scope') };
}
