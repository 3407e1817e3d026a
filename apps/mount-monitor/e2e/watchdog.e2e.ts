import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { FakeCluster, status } from '../testing/kube/cluster.ts';
import { type FakeKubeServer, startFakeKubeServer } from '../testing/kube/server.ts';
import { MonitorProcess, Scratch } from '../testing/monitor-process.ts';

const executable = inject('executable');

interface WatchdogBody {
  readonly state: string;
  readonly reason?: string;
  readonly detail?: string;
  readonly unhealthy?: readonly string[];
  readonly suppressed_restarts?: number;
  readonly last_error?: string;
}

interface Setup extends AsyncDisposable {
  readonly scratch: Scratch;
  readonly cluster: FakeCluster;
  readonly server: FakeKubeServer;
  readonly uid: string;
  readonly monitor: MonitorProcess;
  /** Starts it again after it has exited, like the kubelet. */
  readonly startAgain: () => Promise<MonitorProcess>;
  readonly watchdog: () => Promise<WatchdogBody>;
  readonly untilWatchdog: (state: string, timeoutMs?: number) => Promise<void>;
  /** The number of requested removals. */
  readonly removals: () => number;
  readonly metric: (line: string) => Promise<boolean>;
}

interface SetupOptions {
  readonly watchdog?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly host?: '127.0.0.1' | '::1';
  /** Called before the monitor starts. */
  readonly prepare?: (cluster: FakeCluster, server: FakeKubeServer) => void;
}

/** Starts a monitor with two healthy mounts, `a` and `b`, in a separate cluster. */
async function setUp({ watchdog = {}, env = {}, host, prepare }: SetupOptions = {}): Promise<Setup> {
  const cluster = new FakeCluster();
  const { uid } = cluster.addPod({ name: 'media-0' });
  cluster.addPod({ name: 'media-1' });
  cluster.rules = [
    { verb: 'get', resource: 'pods', names: ['media-0'] },
    { verb: 'delete', resource: 'pods', names: ['media-0'] },
    { verb: 'create', resource: 'pods/eviction', names: ['media-0'] },
    { verb: 'create', resource: 'events' },
    { verb: 'get', resource: 'configmaps', names: ['mount-monitor-budget'] },
    { verb: 'patch', resource: 'configmaps', names: ['mount-monitor-budget'] },
    // The Go program's service account has this: it is what DELETE /pods/ needs.
    { verb: 'deletecollection', resource: 'pods' },
  ];
  cluster.putConfigMap('mount-monitor-budget');
  const server = await startFakeKubeServer(cluster, host);
  prepare?.(cluster, server);
  const scratch = new Scratch();
  const config = {
    checkInterval: '1s',
    readTimeout: '900ms',
    failureThreshold: 1,
    mounts: [
      { name: 'a', path: scratch.mount('a') },
      { name: 'b', path: scratch.mount('b') },
    ],
    watchdog: { enabled: true, ...watchdog },
  };
  const start = () =>
    MonitorProcess.start(executable, scratch, config, {
      env: {
        POD_NAME: 'media-0',
        POD_NAMESPACE: 'media',
        POD_UID: uid,
        WATCHDOG_SERVICE_ACCOUNT_DIR: server.serviceAccountDir,
        ...server.env,
        ...env,
      },
    });
  const monitor = await start();
  const read = async () => (await monitor.status()).watchdog as WatchdogBody;
  return {
    scratch,
    cluster,
    server,
    uid,
    monitor,
    startAgain: start,
    watchdog: read,
    untilWatchdog: (state, timeoutMs) =>
      monitor.until(`the watchdog is ${state}`, async () => (await read()).state === state, timeoutMs),
    removals: () =>
      cluster.calls.filter(({ verb, resource }) => verb === 'delete' || resource === 'pods/eviction').length,
    metric: async (line) => (await monitor.get('/metrics')).body.split('\n').includes(line),
    async [Symbol.asyncDispose]() {
      await monitor[Symbol.asyncDispose]();
      await server.close();
      scratch[Symbol.dispose]();
    },
  };
}

const breakMount = (scratch: Scratch, name: string) => scratch.remove(`${name}/.health-check`);
const settle = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe.concurrent('the executable’s watchdog', () => {
  it.each(['127.0.0.1', '::1'] as const)('deletes its own pod when a mount fails, over %s', async (host) => {
    await using run = await setUp({ host });
    await run.untilWatchdog('armed');
    breakMount(run.scratch, 'a');
    await run.untilWatchdog('stopped');
    expect(await run.watchdog()).toMatchObject({ reason: 'restarting' });
    expect(run.cluster.removals.map(({ name, uid }) => [name, uid])).toEqual([['media-0', run.uid]]);
    expect(run.cluster.events[0]).toMatchObject({
      reason: 'RestartingPod',
      note: expect.stringContaining('1 mount is unhealthy: a ('),
      regarding: { name: 'media-0', uid: run.uid },
    });
    expect(await run.metric('mount_monitor_restarts_total{outcome="done"} 1')).toBe(true);
    expect(await run.metric('mount_monitor_kube_api_requests_total{verb="delete",code="200"} 1')).toBe(true);
    expect(await run.metric('mount_monitor_watchdog_state{state="stopped"} 1')).toBe(true);
    const line = run.monitor.log().find(({ msg }) => msg === 'watchdog restarts the pod');
    expect(line).toMatchObject({ level: 'warn', stream: 'stderr', mode: 'delete' });
    expect(JSON.stringify(line?.mounts)).toContain('missing');
    expect(run.monitor.stdout + run.monitor.stderr).not.toContain('token-1');
  });

  it.each([
    ['empty', '', 'pod_name_missing'],
    ['a slash', '/', 'variable_invalid'],
    ['a parent path', '..', 'variable_invalid'],
    ['a second segment', 'media-0/eviction', 'variable_invalid'],
  ])('sends nothing with a POD_NAME that is %s', async (_, name, reason) => {
    await using run = await setUp({ env: { POD_NAME: name } });
    breakMount(run.scratch, 'a');
    await run.monitor.untilStatus('unhealthy');
    await settle(2000);
    expect(await run.watchdog()).toMatchObject({ state: 'disarmed', reason });
    expect(run.cluster.calls).toEqual([]);
    expect(run.monitor.log().filter(({ msg }) => msg === 'watchdog disarmed')).toHaveLength(1);
  });

  it('is disarmed outside a cluster while the monitor works', async () => {
    await using run = await setUp({ env: { KUBERNETES_SERVICE_HOST: '' } });
    await run.monitor.untilStatus('healthy');
    expect(await run.watchdog()).toMatchObject({ state: 'disarmed', reason: 'not_in_cluster' });
  });

  it('keeps the restart if one of two unhealthy mounts recovers', async () => {
    await using run = await setUp({ watchdog: { restartDelay: '5s' } });
    await run.untilWatchdog('armed');
    breakMount(run.scratch, 'a');
    breakMount(run.scratch, 'b');
    await run.monitor.untilStatus('unhealthy', 0);
    await run.monitor.untilStatus('unhealthy', 1);
    expect(await run.watchdog()).toMatchObject({ state: 'pending' });
    run.scratch.mount('a');
    await run.monitor.untilStatus('healthy', 0);
    expect(run.cluster.removals).toEqual([]);
    await run.untilWatchdog('stopped');
    expect(run.cluster.removals).toHaveLength(1);
  });

  it('drops the restart if all unhealthy mounts recover', async () => {
    await using run = await setUp({ watchdog: { restartDelay: '4s' } });
    await run.untilWatchdog('armed');
    breakMount(run.scratch, 'a');
    await run.untilWatchdog('pending');
    run.scratch.mount('a');
    await run.untilWatchdog('armed');
    await settle(4500);
    expect(run.removals()).toBe(0);
    expect(await run.metric('mount_monitor_restarts_total{outcome="cancelled"} 1')).toBe(true);
  });

  it('evicts and waits for the disruption budget for as long as it takes', async () => {
    await using run = await setUp({
      watchdog: { mode: 'evict', maxRetries: 1, retryBackoffMax: '200ms' },
      prepare: (cluster) => {
        cluster.disruptionsAllowed = 0;
      },
    });
    await run.untilWatchdog('armed');
    breakMount(run.scratch, 'a');
    await run.monitor.until('several evictions were refused', () => run.removals() > 8);
    expect((await run.watchdog()).last_error).toContain('disruption budget');
    run.cluster.disruptionsAllowed = 1;
    await run.untilWatchdog('stopped');
    expect(run.cluster.removals).toHaveLength(1);
  });

  it('exits with 88 in mode exit', async () => {
    await using run = await setUp({ watchdog: { mode: 'exit' } });
    await run.untilWatchdog('armed');
    breakMount(run.scratch, 'a');
    expect(await run.monitor.exited).toEqual({ code: 88, signal: null });
    expect(run.removals()).toBe(0);
    expect(run.monitor.stderr).toContain('watchdog exits');
  });

  it('stops exiting once its budget is spent, across processes', async () => {
    await using run = await setUp({ watchdog: { mode: 'exit', budget: { restarts: 1, window: '1h' } } });
    await run.untilWatchdog('armed');
    breakMount(run.scratch, 'a');
    expect(await run.monitor.exited).toEqual({ code: 88, signal: null });
    await using again = await run.startAgain();
    const state = async () => ((await again.status()).watchdog as WatchdogBody).state;
    await again.until('the watchdog is suppressed', async () => (await state()) === 'suppressed');
    await settle(1500);
    expect(again.child.exitCode).toBeNull();
    expect(again.stderr).toContain('budget_exhausted');
  });

  it('exits in mode exit with a budget after a brief API server outage at the start', async () => {
    await using run = await setUp({
      watchdog: { mode: 'exit', budget: { restarts: 5, window: '1h' } },
      prepare: (cluster) => cluster.fail(() => true, { kind: 'reset' }),
    });
    await run.untilWatchdog('armed');
    breakMount(run.scratch, 'a');
    expect(await run.monitor.exited).toEqual({ code: 88, signal: null });
  });

  it('creates its Event in mode notify after a brief API server outage at the start', async () => {
    await using run = await setUp({
      watchdog: { mode: 'notify' },
      prepare: (cluster) => cluster.fail(() => true, { kind: 'reset' }),
    });
    breakMount(run.scratch, 'a');
    await run.monitor.until('the Event exists', () => run.cluster.events.length === 1);
  });

  it('reports a mount’s second failure in mode notify while another one is down', async () => {
    await using run = await setUp({ watchdog: { mode: 'notify' } });
    await run.untilWatchdog('armed');
    breakMount(run.scratch, 'a');
    breakMount(run.scratch, 'b');
    await run.monitor.untilStatus('unhealthy', 0);
    await run.monitor.untilStatus('unhealthy', 1);
    run.scratch.mount('a');
    await run.monitor.untilStatus('healthy', 0);
    await run.monitor.until('the first failure is reported', () => run.cluster.events.length >= 1);
    const before = run.cluster.events.length;
    breakMount(run.scratch, 'a');
    await run.monitor.until('the second failure is reported', () => run.cluster.events.length > before);
  });

  it('evicts with policy/v1beta1 if the API server accepts no other version', async () => {
    await using run = await setUp({
      watchdog: { mode: 'evict' },
      prepare: (cluster) => {
        cluster.evictionVersions = ['policy/v1beta1'];
      },
    });
    await run.untilWatchdog('armed');
    breakMount(run.scratch, 'a');
    await run.untilWatchdog('stopped');
    expect(run.cluster.removals).toHaveLength(1);
  });

  it('does not send the token anywhere while ca.crt is empty', async () => {
    await using run = await setUp({
      prepare: (_, server) => writeFileSync(join(server.serviceAccountDir, 'ca.crt'), ''),
    });
    await run.monitor.until('arming fails', async () => (await run.watchdog()).reason === 'api_unreachable');
    expect((await run.watchdog()).detail).toContain('ca.crt: contains no certificate');
    expect(run.cluster.calls).toEqual([]);
  });

  it('removes nothing in mode notify', async () => {
    await using run = await setUp({ watchdog: { mode: 'notify' } });
    await run.untilWatchdog('armed');
    breakMount(run.scratch, 'a');
    await run.untilWatchdog('notified');
    await run.monitor.until('the Event exists', () => run.cluster.events.length === 1);
    expect(run.removals()).toBe(0);
  });

  it.each([
    ['500', status(500, 'InternalError', 'boom')],
    ['reset connections', { kind: 'reset' }],
  ] as const)('gives up after the retries on %s and exits with 1', async (_, outcome) => {
    await using run = await setUp({
      watchdog: { maxRetries: 2 },
      prepare: (cluster) => cluster.fail(({ verb }) => verb === 'delete', outcome, { times: 99 }),
    });
    await run.untilWatchdog('armed');
    breakMount(run.scratch, 'a');
    expect(await run.monitor.exited).toEqual({ code: 1, signal: null });
    expect(run.removals()).toBe(3);
    expect(run.monitor.stderr).toContain('watchdog gave up deleting the pod');
  });

  it('honors Retry-After', async () => {
    await using run = await setUp({
      prepare: (cluster) =>
        cluster.fail(
          ({ verb }) => verb === 'delete',
          status(429, 'TooManyRequests', 'slow down', { 'Retry-After': '3' }),
        ),
    });
    await run.untilWatchdog('armed');
    breakMount(run.scratch, 'a');
    await run.monitor.until('the first attempt', () => run.removals() === 1);
    const first = performance.now();
    await run.monitor.until('the second attempt', () => run.removals() === 2);
    expect(performance.now() - first).toBeGreaterThan(2800);
    await run.untilWatchdog('stopped');
  });

  it('stops on 409', async () => {
    await using run = await setUp({
      prepare: (cluster) => cluster.fail(({ verb }) => verb === 'delete', status(409, 'Conflict', 'uid')),
    });
    await run.untilWatchdog('armed');
    breakMount(run.scratch, 'a');
    await run.untilWatchdog('stopped');
    await settle(1500);
    expect(await run.watchdog()).toMatchObject({ reason: 'uid_mismatch' });
    expect(run.removals()).toBe(1);
    expect(run.cluster.removals).toEqual([]);
  });

  it('sends nothing more after a 403 until it is armed again', async () => {
    await using run = await setUp({
      prepare: (cluster) =>
        cluster.fail(({ verb }) => verb === 'delete', status(403, 'Forbidden', 'denied by policy')),
    });
    await run.untilWatchdog('armed');
    breakMount(run.scratch, 'a');
    await run.untilWatchdog('arming');
    expect(await run.watchdog()).toMatchObject({ reason: 'forbidden' });
    expect((await run.watchdog()).detail).toContain('denied by policy');
    await settle(2000);
    expect(run.removals()).toBe(1);
    await run.untilWatchdog('stopped');
    expect(run.cluster.removals).toHaveLength(1);
  });

  it('continues with a rotated token', async () => {
    await using run = await setUp();
    await run.untilWatchdog('armed');
    await run.server.rotateToken('token-2');
    breakMount(run.scratch, 'a');
    await run.untilWatchdog('stopped');
    expect(run.cluster.removals).toHaveLength(1);
    expect(run.cluster.calls.at(-1)?.request.authorization).toBe('Bearer token-2');
  });

  it('keeps to its budget across process restarts and shows what it holds back', async () => {
    await using run = await setUp({
      watchdog: { budget: { restarts: 1, window: '1h' } },
      prepare: (cluster) => {
        const entry = { id: 'x', pod: 'media-before', at: new Date().toISOString() };
        cluster.putConfigMap('mount-monitor-budget', { 'Deployment.media': JSON.stringify([entry]) });
      },
    });
    await run.untilWatchdog('armed');
    breakMount(run.scratch, 'a');
    await run.untilWatchdog('suppressed');
    expect(await run.watchdog()).toMatchObject({ reason: 'budget_exhausted', suppressed_restarts: 1 });
    expect(await run.metric('mount_monitor_restarts_total{outcome="suppressed"} 1')).toBe(true);
    expect(run.monitor.stderr).toContain('watchdog restart suppressed');
    expect(run.removals()).toBe(0);
  });

  it('adds its restart to the budget before deleting', async () => {
    await using run = await setUp({ watchdog: { budget: { restarts: 1, window: '1h' } } });
    await run.untilWatchdog('armed');
    breakMount(run.scratch, 'a');
    await run.untilWatchdog('stopped');
    const verbs = run.cluster.calls.map(({ verb }) => verb);
    expect(verbs.indexOf('patch')).toBeLessThan(verbs.indexOf('delete'));
    expect(run.cluster.configMaps.get('mount-monitor-budget')?.data['Deployment.media']).toContain('media-0');
  });

  it('suppresses the restart if the budget cannot be read', async () => {
    await using run = await setUp({
      watchdog: { budget: { restarts: 5, window: '1h' } },
      prepare: (cluster) => cluster.configMaps.clear(),
    });
    await run.untilWatchdog('armed');
    breakMount(run.scratch, 'a');
    await run.untilWatchdog('suppressed');
    expect(await run.watchdog()).toMatchObject({ reason: 'budget_unreadable' });
    expect(run.removals()).toBe(0);
  });

  it('delays neither checks nor endpoints while the API server never answers, and exits immediately', async () => {
    await using run = await setUp({
      prepare: (cluster) => cluster.fail(() => true, { kind: 'silence' }, { times: 999 }),
    });
    await run.monitor.untilStatus('healthy');
    expect(await run.watchdog()).toMatchObject({ state: 'arming' });
    breakMount(run.scratch, 'a');
    await run.monitor.untilStatus('unhealthy');
    run.scratch.mount('a');
    await run.monitor.untilStatus('healthy');
    run.monitor.signal('SIGTERM');
    expect(await run.monitor.exited).toEqual({ code: 0, signal: null });
  });

  it.each([
    ['reset', 'hang up'],
    ['truncated', 'closed the connection mid-answer'],
    ['flood', 'larger than'],
  ] as const)('survives an answer that is a %s', async (kind, detail) => {
    await using run = await setUp({
      prepare: (cluster) => cluster.fail(() => true, { kind }, { times: 2 }),
    });
    await run.monitor.until(
      'the reason is shown',
      async () => (await run.watchdog()).detail?.includes(detail) === true,
    );
    await run.untilWatchdog('armed');
  });

  it('allows 5 s for a connection, and longer for an answer on a good connection', async () => {
    await using run = await setUp({ prepare: (_cluster, server) => server.freezeHandshakes(true) });
    await run.monitor.until('it says why', async () => (await run.watchdog()).reason === 'api_unreachable');
    expect((await run.watchdog()).detail).toContain('no TLS connection');
    run.cluster.fail(() => true, { kind: 'silence' });
    run.server.freezeHandshakes(false);
    const slow = async () => (await run.watchdog()).detail?.includes('no complete answer') === true;
    await run.monitor.until('the answer takes too long', slow, 30_000);
    expect((await run.watchdog()).detail).toContain('in 15000 ms');
  });

  it.each([
    ['the CA is broken', 'ca.crt', 'x', 'api_unreachable'],
    ['the CA is missing', 'ca.crt', undefined, 'api_unreachable'],
    ['the token is missing', 'token', undefined, 'api_unreachable'],
  ])('shows why it is not armed if %s, sends nothing, and recovers', async (_, file, content, reason) => {
    await using run = await setUp({
      // Regardless of the environment, only the cluster's own authority is trusted.
      env: { NODE_TLS_REJECT_UNAUTHORIZED: '0', HTTPS_PROXY: 'http://127.0.0.1:1' },
      prepare: (_cluster, { serviceAccountDir }) => {
        const path = join(serviceAccountDir, file);
        if (content === undefined) rmSync(path);
        else writeFileSync(path, content);
      },
    });
    await run.monitor.until('it says why', async () => (await run.watchdog()).reason === reason);
    const { detail } = await run.watchdog();
    if (content === undefined) expect(detail).toContain(`${file}: cannot be read (ENOENT)`);
    expect(run.cluster.calls).toEqual([]);
    if (file !== 'token') return;
    await run.server.rotateToken('token-3');
    await run.untilWatchdog('armed');
  });

  it('shows why it is not armed if both POD_NAMESPACE and the namespace file are missing', async () => {
    await using run = await setUp({
      env: { POD_NAMESPACE: '' },
      prepare: (_cluster, { serviceAccountDir }) => rmSync(join(serviceAccountDir, 'namespace')),
    });
    await run.monitor.until('it says why', async () => (await run.watchdog()).reason === 'namespace_missing');
    expect(run.cluster.calls).toEqual([]);
    writeFileSync(join(run.server.serviceAccountDir, 'namespace'), 'media\n');
    await run.untilWatchdog('armed');
  });

  it('rejects a certificate from another authority', async () => {
    const other = await startFakeKubeServer(new FakeCluster());
    await using run = await setUp({
      env: {
        NODE_TLS_REJECT_UNAUTHORIZED: '0',
        KUBERNETES_SERVICE_PORT: String(other.port),
      },
    });
    await run.monitor.until('it says why', async () => (await run.watchdog()).reason === 'api_unreachable');
    expect((await run.watchdog()).detail).toMatch(/certificate|signature|issuer/i);
    expect(run.monitor.stdout + run.monitor.stderr).not.toContain('token-1');
    await other.close();
  });

  it('applies changed settings while it runs', async () => {
    await using run = await setUp({ watchdog: { mode: 'notify' } });
    await run.untilWatchdog('armed');
    breakMount(run.scratch, 'a');
    await run.untilWatchdog('notified');
    run.scratch.write(
      'config.json',
      JSON.stringify({
        httpPort: run.monitor.port,
        checkInterval: '1s',
        readTimeout: '900ms',
        failureThreshold: 1,
        mounts: ['a', 'b'].map((name) => ({ name, path: join(run.scratch.path, name) })),
        watchdog: { enabled: true, mode: 'delete' },
      }),
    );
    run.monitor.signal('SIGHUP');
    await run.untilWatchdog('stopped');
    expect(run.cluster.removals).toHaveLength(1);
  });
});
