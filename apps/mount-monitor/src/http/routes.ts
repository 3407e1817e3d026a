import type { MountSnapshot } from '../monitor/mount-record.ts';
import { renderMetrics } from './metrics.ts';
import { pageHeaders, statusPage } from './page.ts';
import { type ProbeNote, type Reply, text } from './reply.ts';
import { readTarget } from './target.ts';
import type { View } from './view.ts';

/** Answers a request by method and target; HEAD is handled like GET. */
export type Router = (method: string, target: string) => Reply;

/** How long an answer that is costly to render may still be used after a change, in ms. */
const MAX_AGE_MS = 250;
/** Rendering may take at most one part in this many of the time. */
const RENDER_SHARE = 20;

const notFound = text(404, 'not found\n');
const badRequest = text(400, 'bad request\n');
const methodNotAllowed = text(405, 'method not allowed\n', { allow: 'GET, HEAD' });

/** Creates the endpoints on top of a view. */
export function createRouter(view: View): Router {
  const mounts = renderedMounts(view);
  const routes = new Map<string, () => Reply>([
    ['/', constantly({ status: 200, headers: pageHeaders, body: statusPage })],
    ['/version', constantly(json(200, JSON.stringify({ version: view.version })))],
    [
      '/metrics',
      renderedSeldom(view, () => ({ status: 200, headers: metricsHeaders, body: renderMetrics(view) })),
    ],
    ['/healthz/live', rendered(view, () => health(mounts().alive, mounts().brief, '', live))],
    [
      '/healthz/ready',
      rendered(view, () => health(mounts().ready && !view.draining(), mounts().brief, '', ready)),
    ],
    [
      '/healthz/status',
      renderedSeldom(view, () =>
        health(mounts().ready && !view.draining(), statusMounts(view), statusExtras(view), status),
      ),
    ],
    ['/healthz/self', rendered(view, () => self(view))],
  ]);
  return (method, target) => {
    // Almost every target is a path as it stands, and need not be parsed.
    let route = routes.get(target);
    if (route === undefined) {
      const read = readTarget(target);
      if (read.kind === 'invalid') return badRequest;
      if (read.kind === 'moved') return text(301, 'moved permanently\n', { location: read.location });
      route = routes.get(read.path);
    }
    if (route === undefined) return notFound;
    return method === 'GET' || method === 'HEAD' ? route() : methodNotAllowed;
  };
}

function constantly(reply: Reply): () => Reply {
  return () => reply;
}

/** All clients get the same answer until something changes or a second has passed, because answers contain the time. */
function rendered(view: View, render: () => Reply): () => Reply {
  let revision: number | undefined;
  let second = 0;
  let reply = notFound;
  return () => {
    const current = view.revision();
    const now = Math.floor(Date.now() / 1000);
    if (current !== revision || now !== second) reply = render();
    revision = current;
    second = now;
    return reply;
  };
}

/** Like {@link rendered}, but for costly answers: changes are also batched for a moment. */
function renderedSeldom(view: View, render: () => Reply): () => Reply {
  let renderAgainAt = 0;
  let last = notFound;
  const current = rendered(view, () => {
    const start = performance.now();
    const reply = render();
    const end = performance.now();
    renderAgainAt = end + Math.min(MAX_AGE_MS, RENDER_SHARE * (end - start));
    return reply;
  });
  return () => {
    if (performance.now() >= renderAgainAt) last = current();
    return last;
  };
}

interface MountsJson {
  readonly alive: boolean;
  readonly ready: boolean;
  readonly brief: string;
}

/** The part that live and ready share is rendered once per change. */
function renderedMounts(view: View): () => MountsJson {
  let revision: number | undefined;
  let cached: MountsJson = { alive: true, ready: false, brief: '[]' };
  return () => {
    const current = view.revision();
    if (revision === current) return cached;
    revision = current;
    const all = view.mounts();
    cached = {
      alive: all.every(({ state }) => state.status !== 'unhealthy'),
      ready: all.every(({ state }) => state.status === 'healthy'),
      brief: JSON.stringify(all.map(briefMount)),
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

/** How the log describes a health endpoint's answer: when all is well, and otherwise. */
interface ProbeWords {
  readonly endpoint: string;
  readonly good: string;
  readonly bad: string;
  readonly badLevel: 'info' | 'warn';
}

const live: ProbeWords = { endpoint: '/healthz/live', good: 'alive', bad: 'unhealthy', badLevel: 'warn' };
const ready: ProbeWords = { endpoint: '/healthz/ready', good: 'ready', bad: 'not_ready', badLevel: 'info' };
const status: ProbeWords = {
  endpoint: '/healthz/status',
  good: 'healthy',
  bad: 'unhealthy',
  badLevel: 'info',
};

function health(healthy: boolean, mounts: string, extras: string, words: ProbeWords): Reply {
  const { endpoint, good, bad, badLevel } = words;
  const probe: ProbeNote = healthy
    ? { endpoint, result: good, level: 'debug' }
    : { endpoint, result: bad, level: badLevel };
  const body = `{"status":"${healthy ? 'healthy' : 'unhealthy'}","timestamp":"${timestamp()}","mounts":${mounts}${extras}}`;
  return { ...json(healthy ? 200 : 503, body), probe };
}

/** The time in whole seconds, because an answer is reused for up to one. */
function timestamp(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`;
}

function self(view: View): Reply {
  const stalled = view.stalled();
  const healthy = stalled.length === 0;
  const body = {
    status: healthy ? 'healthy' : 'unhealthy',
    timestamp: timestamp(),
    stalled_mounts: stalled,
  };
  return json(healthy ? 200 : 503, JSON.stringify(body));
}

function json(code: number, body: string): Reply {
  return { status: code, headers: { 'content-type': 'application/json' }, body: `${body}\n` };
}

const metricsHeaders = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' };
