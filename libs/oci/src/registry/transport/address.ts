import { OciError } from '../../errors.ts';
import { isLoopback } from '../../reference.ts';

/**
 * Where a request goes: a URL, and its path and query exactly as given, byte for byte. Signed queries are valid only
 * for those very bytes, which `URL` rewrites.
 */
export interface Address {
  readonly url: URL;
  /** The path and query for the request line. */
  readonly target: string;
}

// The characters allowed in a request line; anything else is sent the way `URL` writes it.
const REQUEST_TARGET = /^\/[\x21\x22\x24-\x7e]*$/;
const ABSOLUTE = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?#\\]*(.*)$/s;
const MAX_ADDRESS = 16 * 1024;

/** The address of a URL that this project built. */
export function addressOf(url: URL): Address {
  return { url, target: `${url.pathname}${url.search}` };
}

/** The address as text, with its path and query byte for byte. */
export function addressText({ url, target }: Address): string {
  return `${url.origin}${target}`;
}

/** The address without user, query and fragment, which may contain secrets. */
export function redactUrl(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

/**
 * Parses the URL in a Location header, a realm or a link, relative to where it was given. `what` says which of them it
 * is. Throws `REGISTRY_RESPONSE` for text that is not a URL; the message omits any query.
 */
export function parseAddress(operation: string, what: string, text: string, base: URL): Address {
  let url: URL | undefined;
  try {
    url = text.length > MAX_ADDRESS ? undefined : new URL(text, base);
  } catch {}
  if (url === undefined) {
    const found = JSON.stringify((text.split(/[?#]/, 1)[0] ?? '').slice(0, 200));
    throw new OciError('REGISTRY_RESPONSE', `${operation}: expected a URL as ${what}, found ${found}`);
  }
  return withoutTlsLost({ url, target: rawTarget(text, url) }, base);
}

/** The address with a parameter appended to its query; the existing query stays byte for byte. */
export function withParameter({ url, target }: Address, name: string, value: string): Address {
  const added = `${name}=${encodeURIComponent(value)}`;
  const joint = !target.includes('?') ? '?' : /[?&]$/.test(target) ? '' : '&';
  const changed = new URL(url);
  changed.search = `${url.search}${url.search === '' ? '?' : '&'}${added}`;
  return { url: changed, target: `${target}${joint}${added}` };
}

/**
 * Throws `REGISTRY_REFUSED` for an address that its source may not send us to. Only HTTP(S) is allowed, without a user;
 * plain HTTP never after HTTPS, and otherwise only on loopback or where it was requested; and this machine only from
 * this machine.
 */
export function checkAddress(operation: string, { url }: Address, from: URL, plainHttp: boolean): void {
  const secure = url.protocol === 'https:';
  const plain = url.protocol === 'http:' && from.protocol === 'http:' && (plainHttp || isLoopback(url.host));
  const stays = !isLoopback(url.host) || isLoopback(from.host);
  if ((secure || plain) && stays && url.username === '' && url.password === '') return;
  throw new OciError(
    'REGISTRY_REFUSED',
    `${operation}: the registry refers to ${redactUrl(url)}, expected an https URL${stays ? '' : ' that is not on this machine'}`,
    {
      hint: 'Plain HTTP is used only for loopback or with --plain-http, and never because an HTTPS server says so.',
    },
  );
}

function rawTarget(text: string, url: URL): string {
  const written = ABSOLUTE.exec(text)?.[1] ?? (/^\/(?![/\\])/.test(text) ? text : undefined);
  const target = written?.replace(/#.*$/s, '');
  return target !== undefined && REQUEST_TARGET.test(target) ? target : `${url.pathname}${url.search}`;
}

// If TLS ends in front of the registry, it refers to itself with plain HTTP.
// https://github.com/distribution/distribution/issues/996
function withoutTlsLost(address: Address, base: URL): Address {
  const { url } = address;
  const own = base.protocol === 'https:' && url.protocol === 'http:' && url.hostname === base.hostname;
  if (!own || !['', base.port, '443'].includes(url.port)) return address;
  const secure = new URL(url);
  secure.protocol = 'https:';
  secure.port = base.port;
  return { ...address, url: secure };
}
