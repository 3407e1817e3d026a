import type { MountSnapshot } from '../monitor/mount-record.ts';
import { renderMetrics } from './metrics.ts';
import { pageHeaders, statusPage } from './page.ts';
import type { View } from './view.ts';

/** An answer, complete. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

type Route = (view: View) => Reply;

/** Answers a request by its method and target; the same for HEAD as for GET. */
export type Router = (method: string, target: string) => Reply;

/** The endpoints over a view. */
export function createRouter(view: View): Router {
  const mountsJson = cachedMounts(view);
  const routes: Readonly<Record<string, Route>> = {
    '/': () => ({ status: 200, headers: pageHeaders, body: statusPage }),
    '/version': () => json(200, JSON.stringify({ version: view.version })),
    '/metrics': () => ({
      status: 200,
      headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
      body: renderMetrics(view),
    }),
    '/healthz/live': () => health(mountsJson().alive, mountsJson().brief),
    '/healthz/ready': () => health(mountsJson().ready && !view.draining(), mountsJson().brief),
    '/healthz/status': () => {
      const { ready } = mountsJson();
      return health(ready && !view.draining(), statusMounts(view), statusExtras(view));
    },
    '/healthz/self': () => self(view),
  };
  return (method, target) => {
    const path = pathOf(target);
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (route === undefined) return text(404, 'not found\n');
    if (method !== 'GET' && method !== 'HEAD') {
      return text(405, 'method not allowed\n', { allow: 'GET, HEAD' });
    }
    return route(view);
  };
}

/** The path of a request target in origin or absolute form (https://www.rfc-editor.org/rfc/rfc9112#section-3.2). */
function pathOf(target: string): string {
  const origin = /^https?:\/\/[^/?#]*/i.exec(target)?.[0] ?? '';
  const end = target.slice(origin.length).search(/[?#]/);
  const path = end < 0 ? target.slice(origin.length) : target.slice(origin.length, origin.length + end);
  return path === '' ? '/' : path;
}

interface MountsJson {
  readonly alive: boolean;
  readonly ready: boolean;
  readonly brief: string;
}

/** Probes ask far more often than mounts change, so the mounts' part is made once a change. */
function cachedMounts(view: View): () => MountsJson {
  let revision: number | undefined;
  let cached: MountsJson = { alive: true, ready: false, brief: '[]' };
  return () => {
    if (revision === view.revision()) return cached;
    revision = view.revision();
    const mounts = view.mounts();
    cached = {
      alive: mounts.every(({ state }) => state.status !== 'unhealthy'),
      ready: mounts.every(({ state }) => state.status === 'healthy'),
      brief: JSON.stringify(mounts.map(briefMount)),
    };
    return cached;
  };
}

function briefMount({ config, state, lastCheck }: MountSnapshot) {
  return {
    name: config.name,
    path: config.path,
    status: state.status,
    last_check: lastCheck?.toISOString(),
    failure_count: state.failures,
    last_error: state.failure?.error,
    reason: state.failure?.reason,
  };
}

function statusMounts(view: View): string {
  return JSON.stringify(
    view.mounts().map((mount) => ({
      ...briefMount(mount),
      since: mount.since.toISOString(),
      last_success: mount.lastSuccess?.toISOString(),
      last_duration_ms: mount.lastDurationMs,
      probe_hung: view.isHung(mount),
      check_type: mount.config.checkType,
      history: mount.history,
      filesystem: mount.facts && {
        mounted: mount.facts.mounted,
        mount_point: mount.facts.mountPoint,
        type: mount.facts.fsType,
        source: mount.facts.source,
        device: mount.facts.device,
      },
    })),
  );
}

function statusExtras(view: View): string {
  const extras = {
    hung_probes: view.hungProbes(),
    predecessor_probes: view.predecessorProbes(),
    watchdog: view.watchdog().status,
    version: view.version,
    started_at: view.startedAt.toISOString(),
    check_interval_ms: view.config().checkIntervalMs,
  };
  return `,${JSON.stringify(extras).slice(1, -1)}`;
}

function health(healthy: boolean, mounts: string, extras = ''): Reply {
  const status = healthy ? 'healthy' : 'unhealthy';
  const timestamp = new Date().toISOString();
  return json(
    healthy ? 200 : 503,
    `{"status":"${status}","timestamp":"${timestamp}","mounts":${mounts}${extras}}`,
  );
}

function self(view: View): Reply {
  const stalled = view.stalled();
  const healthy = stalled.length === 0;
  const body = {
    status: healthy ? 'healthy' : 'unhealthy',
    timestamp: new Date().toISOString(),
    stalled_mounts: stalled,
  };
  return json(healthy ? 200 : 503, JSON.stringify(body));
}

function json(status: number, body: string): Reply {
  return { status, headers: { 'content-type': 'application/json' }, body: `${body}\n` };
}

function text(status: number, body: string, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers }, body };
}
