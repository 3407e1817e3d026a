import { SelfSubjectAccessReview } from 'kubernetes-models/authorization.k8s.io/v1';
import { Event } from 'kubernetes-models/events.k8s.io/v1';
import { Eviction } from 'kubernetes-models/policy/v1';
import { ConfigMap } from 'kubernetes-models/v1';
import { afterEach, describe, expect, it } from 'vitest';
import { type ApiOutcome, FakeCluster, type Rule, reply, status } from '../../testing/kube/cluster.ts';
import { VirtualClock, virtualTransport } from '../../testing/kube/virtual.ts';
import { recordingLog } from '../../testing/recording-log.ts';
import type { WatchdogConfig } from '../config/watchdog-config.ts';
import { createWatchdog, type Environment, type Watchdog } from './index.ts';

const a = { name: 'movies', path: '/mnt/movies', reason: 'timeout', error: 'no answer in 5s' };
const b = { path: '/mnt/series', reason: 'not_connected' };

const base: WatchdogConfig = {
  enabled: true,
  restartDelayMs: 0,
  maxRetries: 3,
  retryBackoffInitialMs: 100,
  retryBackoffMaxMs: 10_000,
  mode: 'delete',
  budget: undefined,
};

const roleOf = (mode: WatchdogConfig['mode']): Rule[] => [
  { verb: 'get', resource: 'pods' },
  ...(mode === 'evict'
    ? [{ verb: 'create', resource: 'pods/eviction' }]
    : [{ verb: 'delete', resource: 'pods', names: ['media-0'] }]),
  { verb: 'create', resource: 'events' },
  { verb: 'get', resource: 'configmaps', names: ['mount-monitor-budget'] },
  { verb: 'patch', resource: 'configmaps', names: ['mount-monitor-budget'] },
];

const running: Watchdog[] = [];
afterEach(async () => {
  for (const watchdog of running.splice(0)) await watchdog.close();
});

function setUp(change: Partial<WatchdogConfig> = {}, env: Environment = {}, cluster = new FakeCluster()) {
  const config = { ...base, ...change };
  const clock = new VirtualClock();
  cluster.now = () => clock.wall();
  if (cluster.rules.length === 0) cluster.rules = roleOf(config.mode);
  const pod = cluster.pods.get('media-0') ?? cluster.addPod({ name: 'media-0' });
  const state = { token: 'token-1', latencyMs: 10 };
  cluster.tokens.add('token-1');
  const log = recordingLog();
  const exits: number[] = [];
  const watchdog = createWatchdog({
    config,
    env: {
      POD_NAME: 'media-0',
      POD_NAMESPACE: 'media',
      KUBERNETES_SERVICE_HOST: '10.0.0.1',
      KUBERNETES_SERVICE_PORT: '443',
      ...env,
    },
    log,
    clock,
    onExit: (code) => exits.push(code),
    transport: () =>
      virtualTransport(cluster, clock, { latencyMs: () => state.latencyMs, token: () => state.token }),
  });
  running.push(watchdog);
  const requests = () => cluster.calls.map(({ verb, resource }) => `${verb} ${resource}`);
  const removals = () =>
    requests().filter((text) => text === 'delete pods' || text === 'create pods/eviction');
  const outcome = (name: Parameters<ReturnType<Watchdog['metrics']>['restarts']['get']>[0]) =>
    watchdog.metrics().restarts.get(name);
  return { watchdog, cluster, clock, pod, log, exits, state, requests, removals, outcome };
}

const onDelete = ({ verb }: { readonly verb: string }) => verb === 'delete';

describe('arming', () => {
  it('a disabled watchdog does nothing', async () => {
    const { watchdog, clock, cluster } = setUp({ enabled: false });
    watchdog.update([a]);
    await clock.advance(100_000);
    expect(watchdog.status().state).toBe('disabled');
    expect(cluster.calls).toEqual([]);
  });

  it.each([
    ['an empty pod name', { POD_NAME: '' }, 'pod_name_missing', 'POD_NAME'],
    ['no pod name', { POD_NAME: undefined }, 'pod_name_missing', 'POD_NAME'],
    ['a pod name with a slash', { POD_NAME: 'media/0' }, 'variable_invalid', 'POD_NAME'],
    ['a pod name that is a parent path', { POD_NAME: '..' }, 'variable_invalid', 'POD_NAME'],
    ['a pod name with a query', { POD_NAME: 'media-0?x=1' }, 'variable_invalid', 'POD_NAME'],
    ['a pod name in capitals', { POD_NAME: 'Media-0' }, 'variable_invalid', 'POD_NAME'],
    ['a namespace with a dot', { POD_NAMESPACE: 'a.b' }, 'variable_invalid', 'POD_NAMESPACE'],
    ['a uid with a space', { POD_UID: 'a b' }, 'variable_invalid', 'POD_UID'],
    ['an invalid port', { KUBERNETES_SERVICE_PORT: '70000' }, 'variable_invalid', 'SERVICE_PORT'],
    ['a host with a path', { KUBERNETES_SERVICE_HOST: 'a/b' }, 'variable_invalid', 'SERVICE_HOST'],
    ['no cluster', { KUBERNETES_SERVICE_HOST: undefined }, 'not_in_cluster', 'KUBERNETES_SERVICE_HOST'],
    ['a ConfigMap with a slash', { WATCHDOG_BUDGET_CONFIGMAP: '../x' }, 'variable_invalid', 'CONFIGMAP'],
  ])('refuses to arm with %s and never sends anything', async (_, env, reason, detail) => {
    const { watchdog, clock, cluster, log, exits } = setUp({}, env);
    watchdog.update([a]);
    await clock.advance(10_000_000);
    expect(watchdog.status()).toMatchObject({ state: 'disarmed', reason });
    expect(watchdog.status().detail).toContain(detail);
    expect(log.count('watchdog disarmed')).toBe(1);
    expect(cluster.calls).toEqual([]);
    expect(exits).toEqual([]);
  });

  it('requests access with the pod’s name', async () => {
    const { watchdog, clock, cluster } = setUp();
    await clock.advance(1000);
    expect(watchdog.status().state).toBe('armed');
    const review = JSON.parse(cluster.calls[0]?.request.body ?? '');
    expect(review.spec.resourceAttributes).toEqual({
      namespace: 'media',
      verb: 'delete',
      resource: 'pods',
      name: 'media-0',
    });
  });

  it('requests access to the eviction subresource in mode evict', async () => {
    const { watchdog, clock, cluster } = setUp({ mode: 'evict' });
    await clock.advance(1000);
    expect(watchdog.status().state).toBe('armed');
    const review = JSON.parse(cluster.calls[0]?.request.body ?? '');
    expect(review.spec.resourceAttributes).toMatchObject({
      verb: 'create',
      resource: 'pods',
      subresource: 'eviction',
    });
  });

  it('waits for missing access and arms once it is granted', async () => {
    const cluster = new FakeCluster();
    cluster.rules = [{ verb: 'delete', resource: 'pods', names: ['other'] }];
    const { watchdog, clock, log } = setUp({}, {}, cluster);
    await clock.advance(600_000);
    expect(watchdog.status()).toMatchObject({ state: 'arming', reason: 'access_denied' });
    expect(watchdog.status().detail).toContain('may not delete pods "media-0" in namespace media');
    expect(log.count('watchdog not armed')).toBeGreaterThan(5);
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
    cluster.rules = roleOf('delete');
    await clock.advance(60_000);
    expect(watchdog.status().state).toBe('armed');
  });

  it('survives an API server outage and restarts for mounts that became unhealthy in the meantime', async () => {
    const cluster = new FakeCluster();
    cluster.fail(() => true, { kind: 'reset' }, { times: 4 });
    const { watchdog, clock, removals } = setUp({}, {}, cluster);
    watchdog.update([a]);
    await clock.advance(1500);
    expect(watchdog.status()).toMatchObject({ state: 'arming', reason: 'api_unreachable' });
    await clock.advance(30_000);
    expect(removals()).toEqual(['delete pods']);
  });

  it('refuses to arm for a pod that nothing would replace', async () => {
    const cluster = new FakeCluster();
    cluster.addPod({
      name: 'media-0',
      owner: { kind: 'Node', name: 'n', uid: 'u', controller: false },
    });
    const { watchdog, clock, removals } = setUp({}, {}, cluster);
    watchdog.update([a]);
    await clock.advance(600_000);
    expect(watchdog.status()).toMatchObject({ state: 'arming', reason: 'no_controller' });
    expect(removals()).toEqual([]);
  });

  it('stops immediately if POD_UID is not the pod’s uid', async () => {
    const { watchdog, clock, removals, outcome } = setUp({}, { POD_UID: 'another' });
    watchdog.update([a]);
    await clock.advance(600_000);
    expect(watchdog.status()).toMatchObject({ state: 'stopped', reason: 'uid_mismatch' });
    expect(outcome('conflict')).toBe(1);
    expect(removals()).toEqual([]);
  });

  it('does not arm for a successor with the same name', async () => {
    const { watchdog, clock, cluster, removals } = setUp();
    cluster.fail(onDelete, status(403, 'Forbidden', 'forbidden'));
    watchdog.update([a]);
    await clock.advance(1000);
    expect(watchdog.status()).toMatchObject({ state: 'arming', reason: 'forbidden' });
    const successor = cluster.addPod({ name: 'media-0' });
    await clock.advance(600_000);
    expect(watchdog.status()).toMatchObject({ state: 'stopped', reason: 'uid_mismatch' });
    expect(successor.deletionTimestamp).toBeUndefined();
    expect(removals()).toHaveLength(1);
  });
});

describe('restarting', () => {
  it('reads the pod, creates an Event, deletes the pod by uid and verifies the deletion', async () => {
    const { watchdog, clock, cluster, pod, requests, outcome, log } = setUp();
    await clock.advance(1000);
    cluster.calls.length = 0;
    watchdog.update([a, b]);
    await clock.advance(2000);
    expect(requests()).toEqual(['get pods', 'create events', 'delete pods', 'get pods']);
    expect(JSON.parse(cluster.calls[2]?.request.body ?? '')).toEqual({
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      preconditions: { uid: pod.uid },
    });
    expect(cluster.events[0]).toMatchObject({
      reason: 'RestartingPod',
      action: 'Delete',
      note: '2 mounts are unhealthy: movies (/mnt/movies): timeout, no answer in 5s; /mnt/series: not_connected',
      regarding: { kind: 'Pod', namespace: 'media', name: 'media-0', uid: pod.uid },
    });
    expect(watchdog.status()).toMatchObject({ state: 'stopped', reason: 'restarting' });
    expect(outcome('done')).toBe(1);
    expect(log.count('watchdog restarts the pod')).toBe(1);
    await clock.advance(1_000_000);
    expect(cluster.removals).toHaveLength(1);
  });

  it('a restart waits for restartDelay after the mount became unhealthy', async () => {
    const { watchdog, clock, removals } = setUp({ restartDelayMs: 30_000 });
    await clock.advance(1000);
    watchdog.update([a]);
    expect(watchdog.status()).toMatchObject({
      state: 'pending',
      since: '2026-01-01T00:00:01.000Z',
      next_attempt: '2026-01-01T00:00:31.000Z',
      unhealthy: ['movies (/mnt/movies): timeout, no answer in 5s'],
    });
    await clock.advance(29_900);
    expect(removals()).toEqual([]);
    await clock.advance(500);
    expect(removals()).toEqual(['delete pods']);
  });

  it('cancels the restart if the only unhealthy mount recovers', async () => {
    const { watchdog, clock, removals, outcome, log } = setUp({ restartDelayMs: 30_000 });
    await clock.advance(1000);
    watchdog.update([a]);
    await clock.advance(10_000);
    watchdog.update([]);
    await clock.advance(100_000);
    expect(watchdog.status().state).toBe('armed');
    expect(removals()).toEqual([]);
    expect(outcome('cancelled')).toBe(1);
    expect(log.count('watchdog restart cancelled')).toBe(1);
  });

  it('keeps a pending restart if only one of two unhealthy mounts recovers', async () => {
    const { watchdog, clock, removals, log } = setUp({ restartDelayMs: 30_000 });
    await clock.advance(1000);
    watchdog.update([a]);
    await clock.advance(10_000);
    watchdog.update([a, b]);
    await clock.advance(10_000);
    watchdog.update([b]);
    expect(watchdog.status().state).toBe('pending');
    expect(log.count('watchdog restart still pending: other mounts are unhealthy')).toBe(1);
    await clock.advance(11_000);
    expect(removals()).toEqual(['delete pods']);
  });

  it.each([1, 5, 15, 21])('nothing is sent if all mounts recover %i ms after a restart began', async (ms) => {
    const { watchdog, clock, removals } = setUp();
    await clock.advance(1000);
    watchdog.update([a]);
    await clock.advance(ms);
    watchdog.update([]);
    await clock.advance(100_000);
    expect(removals()).toEqual([]);
    expect(watchdog.status().state).toBe('armed');
  });

  it('withdraws a deletion that waits for its credentials if all mounts recover', async () => {
    const { watchdog, clock, removals, log, outcome } = setUp();
    await clock.advance(1000);
    watchdog.update([a]);
    // Run until the deletion is decided but not yet sent.
    for (let ms = 0; ms < 100 && log.count('watchdog restarts the pod') === 0; ms += 1)
      await clock.advance(0.5);
    watchdog.update([]);
    await clock.advance(100_000);
    expect(removals()).toEqual([]);
    expect(outcome('cancelled')).toBe(1);
    expect(watchdog.status().state).toBe('armed');
  });

  it('a restart continues without its Event if that is refused', async () => {
    const { watchdog, clock, cluster, log } = setUp();
    cluster.rules = cluster.rules.filter(({ resource }) => resource !== 'events');
    watchdog.update([a]);
    await clock.advance(3000);
    expect(cluster.removals).toHaveLength(1);
    expect(log.count('watchdog: the Event could not be created')).toBe(1);
  });

  it('sends no deletion for a pod that has since been replaced or lost its controller', async () => {
    const replaced = setUp();
    await replaced.clock.advance(1000);
    replaced.cluster.addPod({ name: 'media-0' });
    replaced.watchdog.update([a]);
    await replaced.clock.advance(100_000);
    expect(replaced.watchdog.status()).toMatchObject({ state: 'stopped', reason: 'uid_mismatch' });
    expect(replaced.removals()).toEqual([]);

    const orphaned = setUp();
    await orphaned.clock.advance(1000);
    orphaned.cluster.addPod({
      name: 'media-0',
      uid: orphaned.pod.uid,
      owner: { kind: 'ReplicaSet', name: 'x', uid: 'y' },
    });
    orphaned.watchdog.update([a]);
    await orphaned.clock.advance(100_000);
    expect(orphaned.watchdog.status()).toMatchObject({ state: 'arming', reason: 'no_controller' });
    expect(orphaned.removals()).toEqual([]);
    expect(orphaned.outcome('refused')).toBe(1);
  });

  it('restartDelay counts from the mount’s failure, even if arming came later', async () => {
    const cluster = new FakeCluster();
    cluster.fail(() => true, { kind: 'reset' }, { times: 4 });
    const { watchdog, clock, removals } = setUp({ restartDelayMs: 20_000 }, {}, cluster);
    watchdog.update([a]);
    await clock.advance(19_900);
    expect(watchdog.status()).toMatchObject({ state: 'pending', next_attempt: '2026-01-01T00:00:20.000Z' });
    await clock.advance(500);
    expect(removals()).toHaveLength(1);
  });

  it('the late answer of a cancelled restart is ignored', async () => {
    const { watchdog, clock, cluster, state, log, removals } = setUp();
    await clock.advance(1000);
    state.latencyMs = 4000;
    cluster.fail(({ verb }) => verb === 'get', status(500, 'InternalError', 'late'));
    watchdog.update([a]);
    await clock.advance(100);
    watchdog.update([]);
    state.latencyMs = 6000;
    watchdog.update([b]);
    await clock.advance(60_000);
    expect(log.count('watchdog restart failed')).toBe(0);
    expect(removals()).toHaveLength(1);
  });

  it('a pod that is already being deleted is left alone', async () => {
    const { watchdog, clock, pod, removals } = setUp();
    await clock.advance(1000);
    pod.deletionTimestamp = '2026-01-01T00:00:00Z';
    watchdog.update([a]);
    await clock.advance(3000);
    expect(removals()).toEqual([]);
    expect(watchdog.status()).toMatchObject({ state: 'stopped', reason: 'pod_terminating' });
  });

  it('stops and logs, without throwing, if a request ends in a defect', async () => {
    const log = recordingLog();
    const watchdog = createWatchdog({
      config: base,
      env: {
        POD_NAME: 'media-0',
        POD_NAMESPACE: 'media',
        KUBERNETES_SERVICE_HOST: '10.0.0.1',
        KUBERNETES_SERVICE_PORT: '443',
      },
      log,
      onExit: () => expect.unreachable(),
      transport: () => async () => {
        throw new TypeError('unforeseen');
      },
    });
    watchdog.update([a]);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(watchdog.status()).toMatchObject({ state: 'stopped', reason: 'defect', detail: 'unforeseen' });
    expect(log.count('watchdog stopped')).toBe(1);
    await watchdog.close();
  });

  it('a closed watchdog sends nothing', async () => {
    const { watchdog, clock, cluster, log } = setUp({ restartDelayMs: 1000 });
    await clock.advance(1000);
    watchdog.update([a]);
    await watchdog.close();
    const sent = cluster.calls.length;
    await clock.advance(100_000);
    expect(cluster.calls).toHaveLength(sent);
    expect(log.count('watchdog restart dropped')).toBe(1);
  });
});

describe('answers to DELETE', () => {
  it.each([
    ['200', reply(200, {})],
    ['202', reply(202, {})],
    ['404', status(404, 'NotFound', 'gone')],
  ])('a deletion answered with %s is done', async (_, answer) => {
    const { watchdog, clock, cluster, removals, exits } = setUp();
    cluster.fail(onDelete, answer, { after: true });
    watchdog.update([a]);
    await clock.advance(100_000);
    expect(watchdog.status()).toMatchObject({ state: 'stopped', reason: 'restarting' });
    expect(removals()).toHaveLength(1);
    expect(exits).toEqual([]);
  });

  it('the watchdog stops on 409, because another pod has this name', async () => {
    const { watchdog, clock, cluster, removals, outcome } = setUp();
    cluster.fail(onDelete, status(409, 'Conflict', 'uid'));
    watchdog.update([a]);
    await clock.advance(1_000_000);
    expect(watchdog.status()).toMatchObject({ state: 'stopped', reason: 'uid_mismatch' });
    expect(removals()).toHaveLength(1);
    expect(outcome('conflict')).toBe(1);
  });

  it('on 401, the token is read again and the request retried once', async () => {
    const { watchdog, clock, cluster, state, removals } = setUp();
    await clock.advance(1000);
    const rotate = (): boolean => {
      cluster.tokens.delete('token-1');
      cluster.tokens.add('token-2');
      return true;
    };
    cluster.fail((call) => onDelete(call) && rotate(), status(401, 'Unauthorized', 'Unauthorized'));
    watchdog.update([a]);
    for (let ms = 0; ms < 100 && cluster.tokens.has('token-1'); ms += 1) await clock.advance(1);
    state.token = 'token-2';
    await clock.advance(50);
    expect(removals()).toEqual(['delete pods', 'delete pods']);
    expect(cluster.removals).toHaveLength(1);
  });

  it('repeated 401 answers are retried with backoff, then given up', async () => {
    const { watchdog, clock, cluster, removals, exits } = setUp({ maxRetries: 1 });
    cluster.fail(onDelete, status(401, 'Unauthorized', 'Unauthorized'), { times: 99 });
    watchdog.update([a]);
    await clock.advance(100_000);
    expect(removals()).toHaveLength(4);
    expect(exits).toEqual([1]);
  });

  it('403 is permanent until arming succeeds again', async () => {
    const { watchdog, clock, cluster, removals, exits, outcome } = setUp();
    await clock.advance(1000);
    cluster.fail(onDelete, status(403, 'Forbidden', 'forbidden by policy'));
    watchdog.update([a]);
    await clock.advance(4000);
    expect(watchdog.status()).toMatchObject({ state: 'arming', reason: 'forbidden' });
    expect(removals()).toHaveLength(1);
    expect(outcome('refused')).toBe(1);
    cluster.rules = [];
    await clock.advance(60_000);
    expect(removals()).toHaveLength(1);
    cluster.rules = roleOf('delete');
    await clock.advance(60_000);
    expect(cluster.removals).toHaveLength(1);
    expect(exits).toEqual([]);
  });

  it.each([
    ['429', status(429, 'TooManyRequests', 'slow down')],
    ['500', status(500, 'InternalError', 'boom')],
    ['503', status(503, 'ServiceUnavailable', 'away')],
    ['a broken connection', { kind: 'reset' }],
    ['a black hole', { kind: 'silence' }],
  ] as [string, ApiOutcome][])('retries %s with backoff, then gives up and exits 1', async (_, answer) => {
    const { watchdog, clock, cluster, removals, exits, outcome, log } = setUp({ maxRetries: 2 });
    cluster.fail(onDelete, answer, { times: 99 });
    watchdog.update([a]);
    await clock.advance(200_000);
    expect(removals()).toHaveLength(3);
    expect(exits).toEqual([1]);
    expect(outcome('failed')).toBe(1);
    expect(log.lines.at(-1)?.message).toContain('gave up');
    expect(watchdog.status()).toMatchObject({ state: 'stopped', reason: 'gave_up' });
  });

  it('Retry-After is honored', async () => {
    const { watchdog, clock, cluster, removals } = setUp();
    await clock.advance(1000);
    cluster.fail(onDelete, status(429, 'TooManyRequests', 'slow down', { 'Retry-After': '40' }));
    watchdog.update([a]);
    await clock.advance(39_900);
    expect(removals()).toHaveLength(1);
    await clock.advance(500);
    expect(removals()).toHaveLength(2);
    expect(cluster.removals).toHaveLength(1);
  });

  it('the wait doubles after each attempt, up to the maximum', async () => {
    const { watchdog, clock, cluster, log } = setUp({ maxRetries: 6, retryBackoffMaxMs: 1000 });
    cluster.fail(onDelete, { kind: 'reset' }, { times: 99 });
    watchdog.update([a]);
    await clock.advance(100_000);
    const waits = log.lines.filter(({ message }) => message === 'watchdog restart failed');
    expect(waits.map(({ fields }) => fields.retry_in_ms)).toEqual([100, 200, 400, 800, 1000, 1000]);
  });

  it('a deletion that has no effect counts as failed', async () => {
    const { watchdog, clock, cluster, log, exits } = setUp({ maxRetries: 1 });
    cluster.fail(onDelete, reply(200, {}), { times: 99 });
    watchdog.update([a]);
    await clock.advance(300_000);
    expect(log.count('watchdog restart had no effect')).toBe(2);
    expect(exits).toEqual([1]);
  });
});

describe('mode evict', () => {
  it('mode evict requests the eviction of exactly this pod', async () => {
    const { watchdog, clock, cluster, pod } = setUp({ mode: 'evict' });
    watchdog.update([a]);
    await clock.advance(3000);
    const request = cluster.calls.find(({ resource }) => resource === 'pods/eviction')?.request;
    expect(JSON.parse(request?.body ?? '').deleteOptions).toEqual({ preconditions: { uid: pod.uid } });
    expect(watchdog.status()).toMatchObject({ state: 'stopped', reason: 'restarting' });
  });

  it('mode evict retries with capped waits while a disruption budget refuses, and never exits', async () => {
    const { watchdog, clock, cluster, removals, exits, log } = setUp({ mode: 'evict', maxRetries: 1 });
    cluster.disruptionsAllowed = 0;
    watchdog.update([a]);
    await clock.advance(3_600_000);
    expect(removals().length).toBeGreaterThan(300);
    expect(exits).toEqual([]);
    expect(watchdog.status()).toMatchObject({ state: 'restarting' });
    expect(watchdog.status().last_error).toContain('disruption budget');
    expect(log.lines.filter(({ level }) => level === 'warn').length).toBeLessThan(30);
    cluster.disruptionsAllowed = 1;
    await clock.advance(20_000);
    expect(cluster.removals).toHaveLength(1);
  });
});

describe('mode exit', () => {
  it('mode exit ends the process with a distinct exit code and removes nothing', async () => {
    const { watchdog, clock, removals, exits, cluster } = setUp({ mode: 'exit' });
    watchdog.update([a]);
    await clock.advance(3000);
    expect(exits).toEqual([88]);
    expect(removals()).toEqual([]);
    expect(cluster.events[0]).toMatchObject({ action: 'Exit' });
  });

  it('mode exit without a budget needs no API server', async () => {
    const cluster = new FakeCluster();
    cluster.fail(() => true, { kind: 'reset' }, { times: 999 });
    const { watchdog, clock, exits } = setUp({ mode: 'exit' }, {}, cluster);
    watchdog.update([a]);
    await clock.advance(3000);
    expect(exits).toEqual([88]);
  });

  it('mode exit is suppressed if its budget cannot be read', async () => {
    const cluster = new FakeCluster();
    cluster.fail(() => true, { kind: 'reset' }, { times: 999 });
    const budget = { restarts: 5, windowMs: 60_000 };
    const { watchdog, clock, exits } = setUp({ mode: 'exit', budget }, {}, cluster);
    watchdog.update([a]);
    await clock.advance(100_000);
    expect(exits).toEqual([]);
    expect(watchdog.status()).toMatchObject({ state: 'suppressed', reason: 'budget_unreadable' });
  });
});

describe('a brief API server outage while the watchdog arms', () => {
  const budget = { restarts: 5, windowMs: 60_000 };
  const blip = () => {
    const cluster = new FakeCluster();
    cluster.putConfigMap('mount-monitor-budget');
    cluster.fail(() => true, { kind: 'reset' }, { times: 1 });
    return cluster;
  };

  it('a brief API server outage does not disable the budget of mode exit', async () => {
    const { watchdog, clock, exits } = setUp({ mode: 'exit', budget }, {}, blip());
    await clock.advance(500);
    expect(watchdog.status()).toMatchObject({ state: 'armed', reason: 'api_unreachable' });
    await clock.advance(10_000);
    expect(watchdog.status()).not.toHaveProperty('reason');
    watchdog.update([a]);
    await clock.advance(1000);
    expect(exits).toEqual([88]);
  });

  it('a brief API server outage delays mode exit only for its duration', async () => {
    const { watchdog, clock, exits } = setUp({ mode: 'exit', budget }, {}, blip());
    watchdog.update([a]);
    await clock.advance(60_000);
    expect(exits).toEqual([88]);
  });

  it('a brief API server outage does not disable the Events of mode notify', async () => {
    const { watchdog, clock, cluster, outcome } = setUp({ mode: 'notify' }, {}, blip());
    watchdog.update([a]);
    await clock.advance(60_000);
    expect(outcome('notified')).toBe(1);
    expect(cluster.events).toHaveLength(1);
  });
});

describe('evictions', () => {
  it.each([['policy/v1'], ['policy/v1beta1']])(
    'evictions use %s if the API server accepts that version',
    async (version) => {
      const cluster = new FakeCluster();
      cluster.evictionVersions = [version];
      const { watchdog, clock, requests } = setUp({ mode: 'evict' }, {}, cluster);
      watchdog.update([a]);
      await clock.advance(10_000);
      expect(cluster.removals).toHaveLength(1);
      expect(requests().filter((request) => request === 'get discovery')).toHaveLength(1);
    },
  );

  it('the eviction version is read again after the API server is upgraded', async () => {
    const cluster = new FakeCluster();
    cluster.evictionVersions = ['policy/v1beta1'];
    cluster.disruptionsAllowed = 0;
    const { watchdog, clock } = setUp({ mode: 'evict' }, {}, cluster);
    watchdog.update([a]);
    await clock.advance(10_000);
    cluster.evictionVersions = ['policy/v1'];
    cluster.disruptionsAllowed = 1;
    await clock.advance(600_000);
    expect(cluster.removals).toHaveLength(1);
  });
});

describe('mode notify', () => {
  it('mode notify reports a mount that fails again while another is still down', async () => {
    const { watchdog, clock, cluster, outcome } = setUp({ mode: 'notify' });
    for (const unhealthy of [[a, b], [b], [a, b]]) {
      watchdog.update(unhealthy);
      await clock.advance(10_000);
    }
    expect(outcome('notified')).toBe(2);
    expect(cluster.events).toHaveLength(2);
  });

  it('mode notify reports nothing new if a mount recovers and fails within the delay while another is down', async () => {
    const { watchdog, clock, outcome } = setUp({ mode: 'notify', restartDelayMs: 60_000 });
    watchdog.update([a]);
    await clock.advance(100_000);
    watchdog.update([a, b]);
    await clock.advance(10_000);
    watchdog.update([a]);
    await clock.advance(100_000);
    expect(outcome('notified')).toBe(1);
    expect(watchdog.status().state).toBe('notified');
  });

  it('mode notify logs the problem immediately and retries its Event during an API server outage', async () => {
    const { watchdog, clock, cluster, log } = setUp({ mode: 'notify' });
    await clock.advance(1000);
    cluster.fail(() => true, { kind: 'reset' }, { times: 3 });
    watchdog.update([a]);
    expect(log.count('watchdog: mounts are unhealthy')).toBe(1);
    await clock.advance(60_000);
    expect(cluster.events).toHaveLength(1);
  });

  it('mode notify reports each mount that becomes unhealthy once and removes nothing', async () => {
    const { watchdog, clock, removals, exits, cluster, outcome, log } = setUp({ mode: 'notify' });
    watchdog.update([a]);
    await clock.advance(10_000);
    watchdog.update([a]);
    await clock.advance(10_000);
    expect(outcome('notified')).toBe(1);
    watchdog.update([a, b]);
    await clock.advance(10_000);
    expect(outcome('notified')).toBe(2);
    expect(cluster.events.map(({ reason }) => reason)).toEqual(['MountUnhealthy', 'MountUnhealthy']);
    watchdog.update([]);
    expect(watchdog.status().state).toBe('armed');
    expect(log.count('watchdog: all mounts are healthy again')).toBe(1);
    expect(removals()).toEqual([]);
    expect(exits).toEqual([]);
  });
});

describe('restart budget', () => {
  const budget = { restarts: 2, windowMs: 3_600_000 };

  it('the budget outlives the pod and visibly suppresses a successor’s restart until there is room', async () => {
    const cluster = new FakeCluster();
    cluster.putConfigMap('mount-monitor-budget');
    for (const expected of [1, 2]) {
      const { watchdog, clock } = setUp({ budget }, {}, cluster);
      watchdog.update([a]);
      await clock.advance(10_000);
      expect(cluster.removals).toHaveLength(expected);
      cluster.pods.delete('media-0');
      await watchdog.close();
    }
    const { watchdog, clock, outcome, log } = setUp({ budget }, {}, cluster);
    watchdog.update([a]);
    await clock.advance(10_000);
    expect(watchdog.status()).toMatchObject({
      state: 'suppressed',
      reason: 'budget_exhausted',
      suppressed_restarts: 1,
    });
    expect(watchdog.status().detail).toBe("2 restarts within the budget's window, 2 allowed");
    expect(outcome('suppressed')).toBe(1);
    expect(log.count('watchdog restart suppressed')).toBe(1);
    expect(cluster.removals).toHaveLength(2);
    await clock.advance(3_700_000);
    expect(cluster.removals).toHaveLength(3);
  });

  it.each([
    ['the ConfigMap is missing', (cluster: FakeCluster) => cluster.configMaps.clear(), '404'],
    [
      'the ConfigMap may not be read',
      (cluster: FakeCluster) => {
        cluster.rules = cluster.rules.filter(
          ({ verb, resource }) => verb !== 'get' || resource !== 'configmaps',
        );
      },
      '403',
    ],
    [
      'the ConfigMap may not be written',
      (cluster: FakeCluster) => {
        cluster.rules = cluster.rules.filter(({ verb }) => verb !== 'patch');
      },
      '403',
    ],
    [
      'the ConfigMap contains something else',
      (cluster: FakeCluster) => cluster.putConfigMap('mount-monitor-budget', { 'Deployment.media': 'x' }),
      'no list of restarts',
    ],
  ])('a restart is suppressed if %s', async (_, spoil, detail) => {
    const cluster = new FakeCluster();
    cluster.rules = roleOf('delete');
    cluster.putConfigMap('mount-monitor-budget');
    spoil(cluster);
    const { watchdog, clock, removals } = setUp({ budget }, {}, cluster);
    watchdog.update([a]);
    await clock.advance(10_000);
    expect(watchdog.status()).toMatchObject({ state: 'suppressed', reason: 'budget_unreadable' });
    expect(watchdog.status().detail).toContain(detail);
    expect(removals()).toEqual([]);
    watchdog.update([]);
    expect(watchdog.status().state).toBe('armed');
  });

  it('the budget is read again if another pod has written in between', async () => {
    const cluster = new FakeCluster();
    cluster.putConfigMap('mount-monitor-budget');
    cluster.fail(({ verb }) => verb === 'patch', status(409, 'Conflict', 'modified'), { times: 3 });
    const { watchdog, clock } = setUp({ budget }, {}, cluster);
    watchdog.update([a]);
    await clock.advance(10_000);
    expect(cluster.removals).toHaveLength(1);
    expect(
      JSON.parse(cluster.configMaps.get('mount-monitor-budget')?.data['Deployment.media'] ?? ''),
    ).toEqual([{ id: expect.any(String), pod: 'media-0', at: expect.stringMatching(/^2026-01-01T00:00:0/) }]);
  });

  it('a restart that takes long renews its reservation instead of spending more budget', async () => {
    const cluster = new FakeCluster();
    cluster.putConfigMap('mount-monitor-budget');
    cluster.disruptionsAllowed = 0;
    const { watchdog, clock } = setUp({ budget, mode: 'evict' }, {}, cluster);
    watchdog.update([a]);
    await clock.advance(2 * 3_600_000);
    const entries = JSON.parse(
      cluster.configMaps.get('mount-monitor-budget')?.data['Deployment.media'] ?? '',
    );
    expect(entries).toHaveLength(1);
    expect(Date.parse(entries[0].at)).toBeGreaterThan(clock.wall() - 60_000);
  });
});

describe('request bodies', () => {
  it('request bodies match the Kubernetes types', async () => {
    const seen = new Map<string, unknown>();
    for (const mode of ['delete', 'evict'] as const) {
      const cluster = new FakeCluster();
      cluster.putConfigMap('mount-monitor-budget');
      const { watchdog, clock } = setUp({ mode, budget: { restarts: 1, windowMs: 1000 } }, {}, cluster);
      watchdog.update([{ ...a, error: 'ä\u{1f4a5}'.repeat(400) }]);
      await clock.advance(10_000);
      for (const { verb, resource, request } of cluster.calls) {
        if (request.body !== '') seen.set(`${verb} ${resource}`, JSON.parse(request.body));
      }
    }
    expect([...seen.keys()].sort()).toEqual([
      'create events',
      'create pods/eviction',
      'create selfsubjectaccessreviews',
      'delete pods',
      'patch configmaps',
    ]);
    const body = (key: string) => seen.get(key) as never;
    new SelfSubjectAccessReview(body('create selfsubjectaccessreviews')).validate();
    new Eviction(body('create pods/eviction')).validate();
    new ConfigMap(body('patch configmaps')).validate();
    new Event(body('create events')).validate();
    expect(Buffer.byteLength((body('create events') as { note: string }).note)).toBeLessThanOrEqual(1024);
    // The models have no class for DeleteOptions, but an Eviction contains them.
    const { apiVersion, kind, ...options } = seen.get('delete pods') as Record<string, unknown>;
    expect([apiVersion, kind]).toEqual(['v1', 'DeleteOptions']);
    new Eviction({ deleteOptions: options } as never).validate();
    expect(() =>
      new Eviction({ deleteOptions: { preconditions: { uid: 1 } } } as never).validate(),
    ).toThrow();
  });
});
