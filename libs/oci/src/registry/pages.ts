import { OciError } from '../errors.ts';
import { type Address, addressOf } from './transport/index.ts';

/** A link of a `Link` header: where it leads, and what it is. */
export interface Link {
  readonly target: string;
  /** In lower case. */
  readonly relations: readonly string[];
}

const TARGET = /\s*<([^>]*)>/y;
const PARAMETER = /\s*;\s*([A-Za-z0-9*!#$%&'+.^_`|~-]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,;"]*)))?/sy;
const SEPARATORS = /[\s,]*/y;

/**
 * The links of a `Link` header, in order. What can't be read ends the list. Takes time in proportion to its length.
 * https://www.rfc-editor.org/rfc/rfc8288#section-3
 */
export function parseLinks(header: string | undefined): readonly Link[] {
  const text = header ?? '';
  const links: Link[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text) ?? undefined;
    if (found !== undefined) at = pattern.lastIndex;
    return found;
  };
  for (take(SEPARATORS); at < text.length; take(SEPARATORS)) {
    const target = take(TARGET)?.[1];
    if (target === undefined) return links;
    const relations: string[] = [];
    for (let found = take(PARAMETER); found !== undefined; found = take(PARAMETER)) {
      const [, name, quoted, plain] = found;
      if (name?.toLowerCase() === 'rel')
        relations.push(...(quoted ?? plain ?? '').toLowerCase().split(/\s+/));
    }
    links.push({ target, relations });
  }
  return links;
}

/**
 * The address of the next page of a list; undefined on the last one. Only the query of the link counts, byte for byte: the
 * next page of a list lies where the list lies, and servers behind a front name it by a path (Artifactory, Nexus) or a
 * host that is nobody else's. Throws `REGISTRY_RESPONSE` for a link without a query.
 * https://github.com/renovatebot/renovate/pull/20745
 * https://github.com/sonatype/nexus-public/issues/1011
 */
export function nextPage(operation: string, header: string | undefined, list: URL): Address | undefined {
  const link = parseLinks(header).find(({ relations }) => relations.includes('next'));
  if (link === undefined) return undefined;
  const query = link.target.replace(/#.*$/s, '').replace(/^[^?]*/, '');
  const url = new URL(list);
  url.search = query;
  if (query.length > 1 && /^[\x21-\x7e]*$/.test(query)) return { url, target: `${list.pathname}${query}` };
  if (query.length > 1) return addressOf(url);
  throw new OciError(
    'REGISTRY_RESPONSE',
    `${operation}: expected the link to the next page to have a query, found ${JSON.stringify(link.target.slice(0, 200))}`,
  );
}
