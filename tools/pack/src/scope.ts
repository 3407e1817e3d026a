import { PackError } from './errors.ts';

/** Rewrites what is written in this workspace into what is in a published package. */
export type Rescope = (text: string) => string;

/**
 * Moves the names of the published packages to another npm scope, wherever they are in a text: imports, executors'
 * names, paths below node_modules. Names of packages that merely begin with one of them stay. Throws SCOPE where the
 * scope is not one that npm accepts.
 *
 * @param names the names as this workspace writes them, as `@prebuilt/oci`
 * @param scope the scope to publish under, as `@acme`
 * @see https://docs.npmjs.com/cli/using-npm/scope
 */
export function rescopeTo(names: Iterable<string>, scope: string): Rescope {
  if (!/^@[a-z0-9~-][a-z0-9._~-]*$/.test(scope)) {
    throw new PackError('SCOPE', `expected a scope such as @acme, found ${JSON.stringify(scope)}`);
  }
  const pattern = new RegExp(`(?:${[...names].map(RegExp.escape).join('|')})(?![\\w-])`, 'g');
  return (text) => text.replace(pattern, (name) => `${scope}${name.slice(name.indexOf('/'))}`);
}
