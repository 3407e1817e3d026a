/** A package that has no source in Cargo.lock: it comes from a local folder. */
export interface LocalPackage {
  readonly name: string;
  readonly version: string;
}

interface LockedPackage extends LocalPackage {
  readonly isLocal: boolean;
  /** `name` or `name version`. */
  readonly dependencies: readonly string[];
}

/**
 * The local packages among the named packages and their dependencies according to Cargo.lock, including local ones
 * substituted by `[patch]`. Sorted; empty if the lock contains none of the names.
 * https://doc.rust-lang.org/cargo/guide/cargo-toml-vs-cargo-lock.html
 */
export function localPackages(lock: string, names: readonly string[]): readonly LocalPackage[] {
  const packages = parsePackages(lock);
  const found = new Set(packages.filter(({ name, isLocal }) => isLocal && names.includes(name)));
  for (const { dependencies } of found) {
    for (const dependency of dependencies) {
      const [name, version] = dependency.split(' ');
      for (const each of packages) {
        if (each.name === name && (version === undefined || each.version === version)) found.add(each);
      }
    }
  }
  return [...found]
    .filter(({ isLocal }) => isLocal)
    .map(({ name, version }) => ({ name, version }))
    .sort((a, b) => (`${a.name} ${a.version}` < `${b.name} ${b.version}` ? -1 : 1));
}

// Cargo always writes the file in this form.
function parsePackages(lock: string): readonly LockedPackage[] {
  const [, ...tables] = lock.replaceAll('\r\n', '\n').split(/^\[\[package\]\]$/m);
  return tables.flatMap((table) => {
    const value = (key: string): string | undefined => new RegExp(`^${key} = "(.*)"$`, 'm').exec(table)?.[1];
    const [name, version] = [value('name'), value('version')];
    if (name === undefined || version === undefined) return [];
    const list = /^dependencies = \[\n((?: ".*",\n)*)\]$/m.exec(table)?.[1] ?? '';
    const dependencies = [...list.matchAll(/^ "(.*)",$/gm)].map(([, each = '']) => each);
    return [{ name, version, isLocal: value('source') === undefined, dependencies }];
  });
}
