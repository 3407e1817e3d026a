/** A parsed request target: a path to look up, a path to redirect to, or not a path at all. */
export type Target =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'moved'; readonly location: string }
  | { readonly kind: 'invalid' };

const plain = /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9_.~-]+)+$/;

/**
 * Parses a target in origin or absolute form (https://www.rfc-editor.org/rfc/rfc9112#section-3.2) like Go's ServeMux
 * (https://pkg.go.dev/net/http#ServeMux): escapes are decoded within a segment, and a path with `//`, `.` or `..` is
 * redirected to the clean one. The location always starts with exactly one slash and keeps the query.
 */
export function readTarget(target: string): Target {
  const origin = /^https?:\/\/[^/?#]*/i.exec(target)?.[0] ?? '';
  const end = target.slice(origin.length).search(/[?#]/);
  const raw = end < 0 ? target.slice(origin.length) : target.slice(origin.length, origin.length + end);
  if (raw === '' || raw === '/' || plain.test(raw)) return { kind: 'path', path: raw || '/' };
  if (!raw.startsWith('/')) return { kind: 'invalid' };
  const segments: string[] = [];
  for (const segment of raw.split('/')) {
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  const open = /\/\.{0,2}$/.test(raw) && segments.length > 0 ? '/' : '';
  const clean = `/${segments.join('/')}${open}`;
  if (clean !== raw) {
    const query = end < 0 ? '' : (/^\?[^#]*/.exec(target.slice(origin.length + end))?.[0] ?? '');
    return {
      kind: 'moved',
      location: (clean + query).replace(/[^A-Za-z0-9/._~:@!$&'()*+,;=?%-]/g, percentEncode),
    };
  }
  try {
    const decoded = segments.map(decodeURIComponent);
    // An escaped slash is part of a name, and no endpoint's name contains one.
    if (decoded.some((segment) => segment.includes('/'))) return { kind: 'path', path: raw };
    return { kind: 'path', path: `/${decoded.join('/')}${open}` };
  } catch {
    return { kind: 'invalid' };
  }
}

function percentEncode(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}
