import { EngineError } from './errors.ts';

/** One of apt's sources files. Its extension determines the format (`.list` or `.sources`). */
export interface SourcesFile {
  readonly path: string;
  readonly text: string;
}

interface DebianSource {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly signedBy: string | undefined;
}

/**
 * Derives sources for another Debian release from a machine's own apt sources, as one deb822 file: with the same
 * mirrors and keyrings, and the suite replaced (`bookworm-security` becomes `trixie-security`). Leaves out other
 * vendors' sources and disabled entries. Throws NO_DEBIAN_SOURCE if none are left.
 *
 * @see https://manpages.debian.org/bookworm/apt/sources.list.5.en.html
 */
export function deriveSources(
  files: readonly SourcesFile[],
  machineCodename: string,
  wantedCodename: string,
): string {
  const paragraphs = new Set<string>();
  for (const source of files.flatMap(readSources)) {
    const uris = source.uris.filter(isDebianMirror);
    const suites = source.suites
      .filter((suite) => isSuiteOf(suite, machineCodename))
      .map((suite) => wantedCodename + suite.slice(machineCodename.length));
    if (uris.length === 0 || suites.length === 0) continue;
    const lines = [
      'Types: deb',
      `URIs: ${uris.join(' ')}`,
      `Suites: ${suites.join(' ')}`,
      'Components: main',
    ];
    if (source.signedBy !== undefined) lines.push(`Signed-By: ${source.signedBy}`);
    paragraphs.add(lines.join('\n'));
  }
  if (paragraphs.size === 0) {
    throw new EngineError(
      'NO_DEBIAN_SOURCE',
      `apt sources: expected a Debian mirror with the suite ${machineCodename} and the component main, found none in ${
        files.map((file) => file.path).join(', ') || 'no file at all'
      }`,
      {
        hint: 'Add the Debian mirror to /etc/apt/sources.list.d/debian.sources, by codename (not "stable").',
      },
    );
  }
  return `${[...paragraphs].join('\n\n')}\n`;
}

function readSources(file: SourcesFile): readonly DebianSource[] {
  return file.path.endsWith('.sources') ? readDeb822(file.text) : readOneLine(file.text);
}

function readDeb822(text: string): readonly DebianSource[] {
  const sources: DebianSource[] = [];
  const lines = text.split('\n').filter((line) => !line.startsWith('#'));
  for (const paragraph of lines.join('\n').split(/\n[ \t]*\n/)) {
    const fields = readFields(paragraph);
    const words = (name: string) => (fields.get(name) ?? '').split(/\s+/).filter((word) => word !== '');
    const disabled = /^(no|false|without|off|disable|0)$/i.test(fields.get('enabled') ?? '');
    if (disabled || !words('types').includes('deb') || !words('components').includes('main')) continue;
    const signedBy = fields.get('signed-by');
    sources.push({
      uris: words('uris'),
      suites: words('suites'),
      // An inline key has many lines, which are already in deb822's form for continuation, with " ." for blank ones.
      signedBy: signedBy === '' ? undefined : signedBy,
    });
  }
  return sources;
}

function readFields(paragraph: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  let last: string | undefined;
  for (const line of paragraph.split('\n')) {
    if (/^[ \t]/.test(line)) {
      if (last !== undefined) fields.set(last, `${fields.get(last) ?? ''}\n${line.trimEnd()}`);
      continue;
    }
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    last = line.slice(0, colon).trim().toLowerCase();
    fields.set(last, line.slice(colon + 1).trim());
  }
  return fields;
}

function readOneLine(text: string): readonly DebianSource[] {
  const sources: DebianSource[] = [];
  for (const line of text.split('\n')) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]*)/.exec(line);
    if (match === null) continue;
    const [, options = '', uri = '', suite = '', components = ''] = match;
    if (!components.split(/\s+/).includes('main')) continue;
    const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1];
    sources.push({ uris: [uri], suites: [suite], signedBy: signedBy?.replaceAll(',', ' ') });
  }
  return sources;
}

// Other vendors use Debian's codenames too; only the path of the mirror distinguishes them.
function isDebianMirror(uri: string): boolean {
  return /\/debian(-security)?\/?$/.test(uri);
}

function isSuiteOf(suite: string, codename: string): boolean {
  return [codename, `${codename}-updates`, `${codename}-security`].includes(suite);
}
