/** A package in a Rust executable. */
export interface CargoPackage {
  readonly name: string;
  readonly version: string;
  /** `crates.io`, `git`, `local`, `registry`, or what newer writers add. */
  readonly source: string;
  /** `build` if only build scripts and macros use it: it is not in the executable. */
  readonly kind: 'runtime' | 'build';
  /** Whether this is the executable's own package. */
  readonly root: boolean;
  /** Indexes into the list of packages; cycles are possible. */
  readonly dependencies: readonly number[];
}

/** The data that `cargo auditable` writes. */
export interface CargoAuditable {
  /**
   * 0: macros are listed as `runtime`, and unused packages may be listed. 1: macros are correct. 8: both are correct.
   */
  readonly format: number;
  readonly packages: readonly CargoPackage[];
}

/**
 * Parses the JSON from `cargo auditable`. Throws a `SyntaxError` that says what does not fit the schema.
 * https://github.com/rust-secure-code/cargo-auditable/blob/master/cargo-auditable.schema.json
 */
export function parseCargoAuditable(json: string): CargoAuditable {
  const { format = 0, packages } = objectOf(JSON.parse(json), 'an object');
  if (!isIndex(format)) throw unexpected('format', 'a number', format);
  if (!Array.isArray(packages)) throw unexpected('packages', 'a list', packages);
  return { format, packages: packages.map((each, index) => packageOf(each, index, packages.length)) };
}

function packageOf(value: unknown, index: number, count: number): CargoPackage {
  const at = `packages[${index}]`;
  const { name, version, source, kind = 'runtime', root = false, dependencies = [] } = objectOf(value, at);
  if (typeof name !== 'string') throw unexpected(`${at}.name`, 'a string', name);
  if (typeof version !== 'string') throw unexpected(`${at}.version`, 'a string', version);
  if (typeof source !== 'string') throw unexpected(`${at}.source`, 'a string', source);
  if (kind !== 'runtime' && kind !== 'build') throw unexpected(`${at}.kind`, 'runtime or build', kind);
  if (typeof root !== 'boolean') throw unexpected(`${at}.root`, 'true or false', root);
  if (!Array.isArray(dependencies) || !dependencies.every((each) => isIndex(each) && each < count))
    throw unexpected(`${at}.dependencies`, `numbers below ${count}`, dependencies);
  return { name, version, source, kind, root, dependencies };
}

function objectOf(value: unknown, at: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw unexpected(at, 'an object', value);
  return value as Record<string, unknown>;
}

function isIndex(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function unexpected(at: string, wanted: string, found: unknown): SyntaxError {
  return new SyntaxError(`${at}: expected ${wanted}, found ${describe(found)}`);
}

// Never shows the inside of a list or an object, which may be a million levels deep.
function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  return JSON.stringify(value).slice(0, 200);
}
