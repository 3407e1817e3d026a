import type { ElfFacts } from './elf.ts';

/** Why a file can't be loaded with the available libraries. */
export interface LinkageProblem {
  readonly code: 'MISSING_INTERPRETER' | 'MISSING_LIBRARY' | 'WRONG_MACHINE' | 'MISSING_VERSION';
  /** The library, as named by the file that needs it. */
  readonly library: string;
  /** Says which file needs what, and what was found. */
  readonly message: string;
}

/** The libraries that an executable loads, and any problems with them. */
export interface Linkage {
  /** The sonames of all loaded libraries: the interpreter first, then breadth-first as the loader does it. */
  readonly libraries: readonly string[];
  readonly problems: readonly LinkageProblem[];
}

/**
 * Follows an executable's needs through its libraries, as the dynamic loader does: every needed library must exist,
 * have the same machine and float ABI, and provide every symbol version that is needed from it. `lookup` returns a
 * library's facts by name (the base name for the interpreter).
 * https://man7.org/linux/man-pages/man8/ld.so.8.html
 */
export function resolveLinkage(
  executable: ElfFacts,
  lookup: (soname: string) => ElfFacts | undefined,
): Linkage {
  const libraries: string[] = [];
  const problems: LinkageProblem[] = [];
  const waiting: { readonly name: string; readonly facts: ElfFacts }[] = [
    { name: 'the executable', facts: executable },
  ];
  const wants: { readonly by: string; readonly soname: string; readonly versions: readonly string[] }[] = [];
  const provided = new Map<string, readonly string[]>();
  const seen = new Set<string>();
  const visit = (soname: string, wantedBy: string, code: 'MISSING_INTERPRETER' | 'MISSING_LIBRARY'): void => {
    if (seen.has(soname)) return;
    seen.add(soname);
    const facts = lookup(soname);
    if (facts === undefined) {
      problems.push({ code, library: soname, message: `${wantedBy} needs ${soname}, which was not found` });
      return;
    }
    if (!fits(facts, executable)) {
      problems.push({
        code: 'WRONG_MACHINE',
        library: soname,
        message: `${soname}: expected ${describe(executable)}, found ${describe(facts)}`,
      });
      return;
    }
    libraries.push(soname);
    provided.set(soname, facts.versionDefinitions);
    waiting.push({ name: soname, facts });
  };
  if (executable.interpreter !== null) {
    visit(
      executable.interpreter.slice(executable.interpreter.lastIndexOf('/') + 1),
      'the executable',
      'MISSING_INTERPRETER',
    );
  }
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    for (const soname of next.facts.needed) visit(soname, next.name, 'MISSING_LIBRARY');
    for (const [soname, versions] of Object.entries(next.facts.versionNeeds)) {
      wants.push({ by: next.name, soname, versions });
    }
  }
  for (const { by, soname, versions } of wants) {
    if (!seen.has(soname)) {
      problems.push({
        code: 'MISSING_LIBRARY',
        library: soname,
        message: `${by} needs symbol versions from ${soname}, which nothing loads`,
      });
    }
    const has = provided.get(soname);
    for (const version of has === undefined ? [] : versions.filter((wanted) => !has.includes(wanted))) {
      problems.push({
        code: 'MISSING_VERSION',
        library: soname,
        message: `${by} needs ${version} from ${soname}, which does not provide it`,
      });
    }
  }
  return { libraries, problems };
}

// A file that doesn't specify its float ABI matches all others, as it does for glibc's loader.
function fits(library: ElfFacts, executable: ElfFacts): boolean {
  const [one, other] = [library.abi.float, executable.abi.float];
  return machineOf(library) === machineOf(executable) && (one === null || other === null || one === other);
}

function machineOf({ class: bits, byteOrder, machine }: ElfFacts): string {
  return `${bits}-bit ${byteOrder}-endian ${machine}`;
}

function describe(facts: ElfFacts): string {
  return facts.abi.float === null ? machineOf(facts) : `${machineOf(facts)}, ${facts.abi.float}-float`;
}
