import { BlockList, isIP } from 'node:net';
import { OciError } from '../../errors.ts';
import { isLoopback } from '../../reference.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy for a URL according to `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` (or their lowercase names, which take
 * precedence), as Go programs read them: `NO_PROXY` lists hosts (including their subdomains), `.domain`, `*.domain`,
 * addresses, networks such as 10.0.0.0/8, each optionally with a port, or `*`. Loopback never goes through a proxy.
 * Throws `REGISTRY_UNAVAILABLE` for a proxy that is not an http or https URL.
 * https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config
 */
export function proxyFor(url: URL, environment: Environment): URL | undefined {
  if (isLoopback(url.host)) return undefined;
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const text = read(environment, name);
  if (text === '' || isExcepted(url, read(environment, 'NO_PROXY'))) return undefined;
  const address = text.includes('://') ? text : `http://${text}`;
  const proxy = URL.canParse(address) ? new URL(address) : undefined;
  if (proxy?.protocol === 'http:' || proxy?.protocol === 'https:') return proxy;
  // Never quote the text: it may contain a password.
  const found = proxy === undefined ? 'something else' : `a ${proxy.protocol}// URL`;
  throw new OciError('REGISTRY_UNAVAILABLE', `${name}: expected an http or https URL, found ${found}`);
}

function read(environment: Environment, name: string): string {
  return (environment[name.toLowerCase()] || environment[name] || '').trim();
}

function isExcepted(url: URL, text: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return text.split(/[\s,]+/).some((entry) => entry !== '' && matches(entry.toLowerCase(), host, port));
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  if (entry.includes('/')) return isInNetwork(entry, host);
  const { name, port: wanted } = splitPort(entry);
  if (wanted !== undefined && wanted !== port) return false;
  if (isIP(name) !== 0 || isIP(host) !== 0) return sameAddress(name, host);
  if (name.startsWith('*.')) return host.endsWith(name.slice(1));
  return name.startsWith('.') ? host.endsWith(name) : host === name || host.endsWith(`.${name}`);
}

function splitPort(entry: string): { readonly name: string; readonly port: string | undefined } {
  const bracketed = /^\[([^\]]*)\](?::(\d+))?$/.exec(entry);
  if (bracketed !== null) return { name: bracketed[1] ?? '', port: bracketed[2] };
  const [, name, port] = /^([^:]*):(\d+)$/.exec(entry) ?? [];
  return { name: name ?? entry, port };
}

function family(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}

function sameAddress(one: string, other: string): boolean {
  if (isIP(one) === 0 || isIP(other) === 0) return false;
  const list = new BlockList();
  list.addAddress(one, family(one));
  return list.check(other, family(other));
}

function isInNetwork(entry: string, host: string): boolean {
  const [, network = '', prefix = ''] = /^\[?([^/\]]+)\]?\/(\d{1,3})$/.exec(entry) ?? [];
  const kind = isIP(network);
  if (kind === 0 || isIP(host) === 0 || Number(prefix) > (kind === 6 ? 128 : 32)) return false;
  const list = new BlockList();
  list.addSubnet(network, Number(prefix), family(network));
  return list.check(host, family(host));
}
