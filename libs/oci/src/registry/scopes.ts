/** The rights to request a token for: actions by resource, such as `pull` and `push` by `repository:owner/app`. */
export type Scopes = ReadonlyMap<string, ReadonlySet<string>>;

const MAX_SCOPES = 50;

/**
 * Parses scopes separated by spaces. A scope without actions, such as Gitea's `*`, is a resource by itself.
 * https://distribution.github.io/distribution/spec/auth/scope/
 */
export function parseScopes(text: string): Scopes {
  const scopes = new Map<string, Set<string>>();
  for (const each of text.split(/\s+/).slice(0, MAX_SCOPES)) {
    if (each === '') continue;
    const colon = each.includes(':') ? each.lastIndexOf(':') : each.length;
    const resource = each.slice(0, colon);
    const actions = scopes.get(resource) ?? new Set();
    for (const action of each.slice(colon + 1).split(',')) if (action !== '') actions.add(action);
    scopes.set(resource, actions);
  }
  return scopes;
}

/** The union of two sets of scopes. */
export function joinScopes(one: Scopes, other: Scopes): Scopes {
  const joined = new Map([...one].map(([resource, actions]) => [resource, new Set(actions)]));
  for (const [resource, actions] of other)
    joined.set(resource, new Set([...(joined.get(resource) ?? []), ...actions]));
  return joined;
}

/** Whether `wide` includes everything in `narrow`. */
export function covers(wide: Scopes, narrow: Scopes): boolean {
  return [...narrow].every(([resource, actions]) => {
    const held = wide.get(resource);
    return held !== undefined && (held.has('*') || [...actions].every((action) => held.has(action)));
  });
}

/** Each scope in the form that a token server expects. */
export function formatScopes(scopes: Scopes): readonly string[] {
  return [...scopes].map(([resource, actions]) =>
    actions.size === 0 ? resource : `${resource}:${[...actions].sort().join(',')}`,
  );
}
