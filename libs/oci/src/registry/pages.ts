import { OciError } from '../errors.ts';
import { HeaderText } from './header-text.ts';
import { type Address, addressOf } from './transport/index.ts';

/** A link in a `Link` header: its target and its relations. */
export interface Link {
  readonly target: string;
  /** In lowercase. */
  readonly relations: readonly string[];
}

const TARGET = /[^>]/;
const TOKEN = /[A-Za-z0-9*!#$%&'+.^_`|~-]/;
const UNQUOTED = /[^\s,;"]/;
const SPACE = /\s/;
const SEPARATOR = /[\s,]/;

/**
 * The links in a `Link` header, in order. Anything unreadable ends the list. Takes time proportional to the length of
 * the header.
 * https://www.rfc-editor.org/rfc/rfc8288#section-3
 */
export function parseLinks(header: string | undefined): readonly Link[] {
  const text = new HeaderText(header ?? '');
  const links: Link[] = [];
  for (text.take(SEPARATOR); text.passes('<'); text.take(SEPARATOR)) {
    const target = text.take(TARGET);
    if (!text.passes('>')) return links;
    links.push({ target, relations: readRelations(text) });
  }
  return links;
}

/** Reads the parameters of a link and returns its relations. */
function readRelations(text: HeaderText): readonly string[] {
  const relations: string[] = [];
  for (text.take(SPACE); text.passes(';'); text.take(SPACE)) {
    text.take(SPACE);
    const name = text.take(TOKEN).toLowerCase();
    text.take(SPACE);
    if (!text.passes('=')) continue;
    text.take(SPACE);
    const value = text.next === '"' ? text.quoted() : text.take(UNQUOTED);
    if (name === 'rel' && value !== undefined) relations.push(...value.toLowerCase().split(/\s+/));
  }
  return relations;
}

/**
 * The address of the next page of a list; undefined on the last page. Only the link's query counts, byte for byte: the
 * next page is always at the list's own address, and servers behind a reverse proxy may give a path (Artifactory,
 * Nexus) or a host that works only for them. Throws `REGISTRY_RESPONSE` for a link without a query.
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
