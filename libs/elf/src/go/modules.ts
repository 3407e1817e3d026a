import { unquote } from './quotes.ts';

/** A module in an executable. */
export interface GoModule {
  /** `golang.org/x/net`. */
  readonly path: string;
  /** `v1.2.3`, a pseudo-version, or `(devel)` if it was built from a folder. */
  readonly version: string;
  /** `h1:…`, the hash in go.sum; null if it came from a folder. */
  readonly sum: string | null;
  /** The replacement from a `replace` in go.mod, which is what was compiled. */
  readonly replacedBy: GoModule | null;
}

/** The modules and settings that Go records in an executable. */
export interface GoModules {
  /** The import path of the main package; null if it is not given. */
  readonly path: string | null;
  /** The module of the main package. */
  readonly main: GoModule | null;
  /** All modules with packages in the executable, except the main one. */
  readonly dependencies: readonly GoModule[];
  /** `GOARCH`, `GOARM`, `CGO_ENABLED`, `-ldflags`, `vcs.revision`, … with their values. */
  readonly settings: Readonly<Record<string, string>>;
}

/**
 * Parses the lines that Go writes. Ignores lines of other kinds, which are for newer readers. Throws a `SyntaxError`
 * that quotes the line. https://github.com/golang/go/blob/master/src/runtime/debug/mod.go
 */
export function parseGoModules(text: string): GoModules {
  let path: string | null = null;
  let main: GoModule | null = null;
  const dependencies: GoModule[] = [];
  const settings = new Map<string, string>();
  let replaceLast: ((by: GoModule) => void) | undefined;
  for (const line of text.split('\n')) {
    const tab = line.indexOf('\t');
    const rest = line.slice(tab + 1);
    switch (tab < 0 ? '' : line.slice(0, tab)) {
      case 'path':
        path = rest;
        break;
      case 'mod': {
        const module = moduleOf(line, rest);
        main = module;
        replaceLast = (replacedBy) => {
          main = { ...module, replacedBy };
        };
        break;
      }
      case 'dep': {
        const module = moduleOf(line, rest);
        const index = dependencies.push(module) - 1;
        replaceLast = (replacedBy) => {
          dependencies[index] = { ...module, replacedBy };
        };
        break;
      }
      case '=>':
        if (replaceLast === undefined) throw unexpected(line, 'a module before its replacement');
        replaceLast(moduleOf(line, rest));
        replaceLast = undefined;
        break;
      case 'build': {
        const [key, value] = settingOf(line, rest);
        if (settings.has(key)) throw unexpected(line, 'each setting once');
        settings.set(key, value);
        break;
      }
    }
  }
  return { path, main, dependencies, settings: Object.fromEntries(settings) };
}

function moduleOf(line: string, columns: string): GoModule {
  const [path, version, sum, more] = columns.split('\t');
  if (!path || version === undefined || more !== undefined)
    throw unexpected(line, 'a path, a version and an optional sum');
  return { path, version, sum: sum || null, replacedBy: null };
}

// Keys and values with special characters, such as spaces, are quoted as in Go source.
function settingOf(line: string, text: string): readonly [string, string] {
  const [, key, value] = /^("(?:[^"\\]|\\.)*"|`[^`]*`|[^=\s"`]+)=(.*)$/s.exec(text) ?? [];
  if (key === undefined || value === undefined) throw unexpected(line, 'a key and a value');
  return [unquote(key), unquote(value)];
}

function unexpected(line: string, wanted: string): SyntaxError {
  return new SyntaxError(`expected ${wanted}, found ${JSON.stringify(line.slice(0, 200))}`);
}
