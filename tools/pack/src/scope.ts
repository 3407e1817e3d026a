import { PackError } from './errors.ts';

/** Rewrites text in this workspace for a published package. */
export type Rescope = (text: string) => string;

/**
 * Changes the names of the published packages to another npm scope wherever they appear in a text: imports, names of
 * executors, paths in node_modules. Names that only start with one of them stay the same. Throws SCOPE if npm would not
 * accept the scope.
 *
 * @param names the names in this workspace, such as `@prebuilt/oci`
 * @param scope the scope to publish under, such as `@acme`
 * @see https://docs.npmjs.com/cli/using-npm/scope
 */
export function rescopeTo(names: Iterable<string>, scope: string): Rescope {
  if (!/^@[a-z0-9~-][a-z0-9._~-]*$/.test(scope)) {
    throw new PackError('SCOPE', `expected a scope such as @acme, found ${JSON.stringify(scope)}`);
  }
  const pattern = new RegExp(`(?:${[...names].map(RegExp.escape).join('|')})(?![\\w-])`, 'g');
  return (text) => text.replace(pattern, (name) => `${scope}${name.slice(name.indexOf('/'))}`);
}
