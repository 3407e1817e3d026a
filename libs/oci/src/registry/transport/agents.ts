import { type ClientRequest, Agent as HttpAgent, type RequestOptions, request } from 'node:http';
import type { Agent as HttpsAgent } from 'node:https';
import type { Address } from './address.ts';
import { proxyFor } from './proxy.ts';
import { readTrust } from './trust.ts';

/** Opens connections, and keeps them alive for the next request to the same host. */
export interface Agents {
  /** The proxy for requests to this URL. Throws `REGISTRY_UNAVAILABLE` if it is not an http(s) URL. */
  proxyOf(url: URL): URL | undefined;
  begin(address: Address, options: Pick<RequestOptions, 'method' | 'headers'>): Promise<ClientRequest>;
  close(): Promise<void>;
}

/**
 * Opens connections according to the environment and the machine: proxies, trusted certificates and client
 * certificates. `ca` is the PEM of one more authority.
 */
export function createAgents(
  environment: Readonly<Record<string, string | undefined>>,
  ca: string | undefined,
): Agents {
  // Node's own client: it is already loaded, while a client that brings its own parser takes a tenth of a publish.
  const plain = new Map<string, HttpAgent>();
  const secure = new Map<string, Promise<{ readonly agent: HttpsAgent; readonly request: typeof request }>>();
  const proxyOf = (url: URL): URL | undefined => proxyFor(url, environment);

  function plainAgent(proxy: URL | undefined): HttpAgent {
    const key = proxy?.href ?? '';
    const agent =
      plain.get(key) ?? new HttpAgent({ keepAlive: true, ...(proxy && { proxyEnv: { http_proxy: key } }) });
    plain.set(key, agent);
    return agent;
  }

  // One per host, since each host has its own certificates.
  function secureAgent(host: string, proxy: URL | undefined): ReturnType<typeof loadSecure> {
    const key = `${host} ${proxy?.href ?? ''}`;
    const loading = secure.get(key) ?? loadSecure(host, proxy);
    secure.set(key, loading);
    return loading;
  }

  async function loadSecure(
    host: string,
    proxy: URL | undefined,
  ): Promise<{ readonly agent: HttpsAgent; readonly request: typeof request }> {
    const [https, trust] = await Promise.all([import('node:https'), readTrust(host, environment, ca)]);
    const agent = new https.Agent({
      keepAlive: true,
      ca: [...trust.ca],
      ...(trust.clients.length > 0 && {
        cert: trust.clients.map(({ cert }) => cert),
        key: trust.clients.map(({ key }) => key),
      }),
      ...(proxy && { proxyEnv: { https_proxy: proxy.href } }),
    });
    return { agent, request: https.request };
  }

  return {
    proxyOf,
    async begin({ url, target }, options) {
      const proxy = proxyOf(url);
      const given = { ...options, strictContentLength: true };
      // The path as given; for a plain HTTP proxy, Node builds the whole URL from it.
      if (url.protocol === 'http:') return request(url, { ...given, path: target, agent: plainAgent(proxy) });
      const { agent, request: requestSecurely } = await secureAgent(url.host, proxy);
      return requestSecurely(url, { ...given, path: target, agent });
    },
    async close() {
      for (const agent of plain.values()) agent.destroy();
      for (const loading of secure.values()) (await loading.catch(() => undefined))?.agent.destroy();
    },
  };
}
