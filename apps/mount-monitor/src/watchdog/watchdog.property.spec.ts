import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type ApiCall, type ApiOutcome, FakeCluster, status } from '../../testing/kube/cluster.ts';
import { VirtualClock, virtualTransport } from '../../testing/kube/virtual.ts';
import { recordingLog } from '../../testing/recording-log.ts';
import type { WatchdogConfig } from '../config/watchdog-config.ts';
import { createWatchdog, exitModeCode, type UnhealthyMount, type Watchdog } from './index.ts';
import { type Stepped, step } from './machine.ts';

/** Unreadable lists under both keys that a pod may have. */
const garbage = { broken: 'yes', 'StatefulSet.media': '[{}]', 'Pod.media-0': '{' };

const paths = ['/mnt/a', '/mnt/b', '/mnt/c'] as const;

const faultKinds = fc.constantFrom<ApiOutcome>(
  status(401, 'Unauthorized', 'Unauthorized'),
  status(403, 'Forbidden', 'forbidden by a webhook'),
  status(404, 'NotFound', 'not found'),
  status(409, 'Conflict', 'conflict'),
  status(422, 'Invalid', 'invalid'),
  status(429, 'TooManyRequests', 'too many requests', { 'Retry-After': '7' }),
  status(500, 'InternalError', 'internal error'),
  status(503, 'ServiceUnavailable', 'unavailable', { 'Retry-After': '2' }),
  { kind: 'reply', status: 200, headers: {}, body: { kind: 'Pod' } },
  { kind: 'reply', status: 302, headers: {}, body: undefined },
  { kind: 'reset' },
  { kind: 'silence' },
);

const happening = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('mounts'), set: fc.subarray([...paths]) } as const) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('fault'),
      outcome: faultKinds,
      times: fc.integer({ min: 1, max: 6 }),
      after: fc.boolean(),
      resource: fc.constantFrom(
        '',
        'pods',
        'pods/eviction',
        'configmaps',
        'selfsubjectaccessreviews',
        'events',
      ),
    } as const),
  },
  {
    // One request goes wrong, at any of the following steps.
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('blip'),
      step: fc.integer({ min: 0, max: 8 }),
      outcome: fc.constantFrom<ApiOutcome>(
        { kind: 'reset' },
        { kind: 'silence' },
        status(503, 'ServiceUnavailable', 'unavailable'),
      ),
      after: fc.boolean(),
    } as const),
  },
  fc.record({ kind: fc.constant('rotate') } as const),
  fc.record({ kind: fc.constant('forbid'), forbidden: fc.boolean() } as const),
  fc.record({ kind: fc.constant('replace') } as const),
  fc.record({ kind: fc.constant('orphan'), orphan: fc.boolean() } as const),
  fc.record({ kind: fc.constant('disruption'), allowed: fc.option(fc.integer({ min: 0, max: 2 })) } as const),
  fc.record({ kind: fc.constant('ledger'), broken: fc.constantFrom('absent', 'garbage', 'fine') } as const),
  fc.record({ kind: fc.constant('latency'), ms: fc.integer({ min: 0, max: 9000 }) } as const),
);

const scenario = fc.record({
  podName: fc.oneof(
    { weight: 12, arbitrary: fc.constant('media-0') },
    fc.constantFrom(
      '',
      '.',
      '..',
      '/',
      'a/b',
      'media-0/',
      '../pods',
      'Media',
      'media-0?x',
      '%2e%2e',
      ' ',
      '-a',
    ),
  ),
  mode: fc.constantFrom('delete', 'delete', 'evict', 'exit', 'notify' as const),
  evictionVersion: fc.constantFrom('policy/v1', 'policy/v1beta1'),
  restartDelayMs: fc.constantFrom(0, 50, 5000, 60_000),
  /** Whether the pod's uid comes from the downward API. */
  pinned: fc.boolean(),
  maxRetries: fc.integer({ min: 1, max: 4 }),
  retryBackoffInitialMs: fc.constantFrom(1e-6, 100, 2000),
  budget: fc.option(
    fc.record({
      restarts: fc.integer({ min: 1, max: 3 }),
      windowMs: fc.constantFrom(1000, 60_000, 3_600_000),
    }),
    { nil: undefined },
  ),
  script: fc.array(
    fc.record({ happening, waitMs: fc.constantFrom(0, 1, 20, 400, 3000, 20_000, 200_000, 4_000_000) }),
    { minLength: 1, maxLength: 25 },
  ),
});

type Scenario = typeof scenario extends fc.Arbitrary<infer Value> ? Value : never;

/** Plays a scenario across as many processes and pods as needed, checking every rule along the way. */
async function play(
  { podName, script, pinned, evictionVersion, ...rest }: Scenario,
  decide = step,
): Promise<number> {
  const config: WatchdogConfig = { enabled: true, retryBackoffMaxMs: 10_000, ...rest };
  const { mode, budget } = config;
  const clock = new VirtualClock();
  const cluster = new FakeCluster();
  cluster.evictionVersions = [evictionVersion];
  cluster.now = () => clock.wall();
  const allow = () => {
    cluster.rules = [
      { verb: 'get', resource: 'pods', names: ['media-0'] },
      { verb: 'delete', resource: 'pods', names: ['media-0'] },
      { verb: 'create', resource: 'pods/eviction', names: ['media-0'] },
      { verb: 'create', resource: 'events' },
      { verb: 'get', resource: 'configmaps', names: ['mount-monitor-budget'] },
      { verb: 'patch', resource: 'configmaps', names: ['mount-monitor-budget'] },
      { verb: 'deletecollection', resource: 'pods' },
    ];
  };
  allow();
  const bystander = cluster.addPod({ name: 'media-1' });
  const owner = { kind: 'StatefulSet', name: 'media', uid: 'owner', controller: true };
  let pod = cluster.addPod({ name: 'media-0', owner });
  let ledgerKept: Readonly<Record<string, string>> = {};
  cluster.putConfigMap('mount-monitor-budget');
  let token = 'token-1';
  cluster.tokens.add(token);
  let latencyMs = 5;

  let unhealthy: readonly UnhealthyMount[] = [];
  /** For each unhealthy mount, how many lines the log had when it failed. */
  const failedAt = new Map<string, number>();
  const fail = (mounts: readonly UnhealthyMount[]): void => {
    for (const { path } of unhealthy) if (!mounts.some((mount) => mount.path === path)) failedAt.delete(path);
    for (const { path } of mounts)
      if (!failedAt.has(path)) failedAt.set(path, logs.at(-1)?.lines.length ?? 0);
    unhealthy = mounts;
  };
  const restarts: number[] = [];
  let removalRequests = 0;
  const logs: ReturnType<typeof recordingLog>[] = [];
  const watchdogs: Watchdog[] = [];
  let exited: number | undefined;
  const begin = (): Watchdog => {
    const log = recordingLog();
    logs.push(log);
    exited = undefined;
    for (const path of failedAt.keys()) failedAt.set(path, 0);
    const started = createWatchdog({
      config,
      env: {
        POD_NAME: podName,
        POD_NAMESPACE: 'media',
        ...(pinned ? { POD_UID: pod.uid } : {}),
        KUBERNETES_SERVICE_HOST: '10.0.0.1',
        KUBERNETES_SERVICE_PORT: '443',
      },
      log,
      clock,
      decide,
      onExit(code) {
        exited = code;
        const line = log.lines.at(-1);
        expect(line?.fields.exit_code, 'an exit is logged with its code').toBe(code);
        expect(line?.fields.mounts, 'an exit is logged with its mounts').not.toEqual([]);
        expect(unhealthy, 'an exit happens only while a mount is unhealthy').not.toEqual([]);
        if (code === exitModeCode) restarts.push(clock.wall());
      },
      transport: () =>
        virtualTransport(cluster, clock, {
          latencyMs: () => latencyMs,
          token: () => token,
          onSend({ verb, path }) {
            if (verb !== 'delete' && path.at(-1) !== 'eviction') return;
            removalRequests += 1;
            expect(mode === 'delete' || mode === 'evict').toBe(true);
            expect(unhealthy, 'a removal is sent only while a mount is unhealthy').not.toEqual([]);
            const line = log.lines.findLast(({ message }) => message === 'watchdog restarts the pod');
            expect(line?.fields.mounts, 'a removal is logged with its mounts').not.toEqual([]);
            expect(line?.fields.uid).toBeDefined();
          },
        }),
    });
    started.update(unhealthy);
    watchdogs.push(started);
    return started;
  };
  let watchdog = begin();
  /** An unreported failure must be reported, even for a mount that has failed before. */
  const expectReported = (): void => {
    if (watchdog.status().state !== 'notified') return;
    for (const [path, index] of failedAt) {
      const told = logs
        .at(-1)
        ?.lines.slice(index)
        .some(
          ({ message, fields }) =>
            message === 'watchdog: mounts are unhealthy' && String(fields.mounts).includes(path),
        );
      expect(told, `${path} was reported since it failed`).toBe(true);
    }
  };
  /** Does what the kubelet and the controller do. */
  const recreate = async (): Promise<void> => {
    if (exited !== undefined) {
      await watchdog.close();
      watchdog = begin();
    } else if (pod.deletionTimestamp !== undefined) {
      await watchdog.close();
      pod = cluster.addPod({ name: 'media-0', owner });
      watchdog = begin();
    }
  };

  for (const { happening: event, waitMs } of script) {
    switch (event.kind) {
      case 'mounts':
        fail(event.set.map((path) => ({ path, reason: 'timeout' })));
        watchdog.update(unhealthy);
        break;
      case 'fault':
        cluster.fail((call: ApiCall) => call.resource.startsWith(event.resource), event.outcome, {
          times: event.times,
          after: event.after,
        });
        break;
      case 'blip': {
        let { step } = event;
        cluster.fail(() => step-- === 0, event.outcome, { after: event.after });
        break;
      }
      case 'rotate':
        token = `${token}x`;
        cluster.tokens.add(token);
        break;
      case 'forbid':
        if (event.forbidden) cluster.rules = [];
        else allow();
        break;
      case 'replace': {
        // Another pod takes over the name while this process still runs.
        const known =
          pinned || logs.at(-1)?.lines.some(({ message }) => message === 'watchdog armed') === true;
        pod = cluster.addPod({ name: 'media-0', owner });
        await clock.advance(waitMs);
        if (known) {
          const removed = cluster.removals.map(({ uid }) => uid);
          expect(removed, 'a successor is never removed').not.toContain(pod.uid);
        }
        await watchdog.close();
        watchdog = begin();
        break;
      }
      case 'orphan': {
        const { uid, deletionTimestamp } = pod;
        pod = cluster.addPod({
          name: 'media-0',
          uid,
          owner: { ...owner, controller: !event.orphan },
          ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
        });
        break;
      }
      case 'disruption':
        cluster.disruptionsAllowed = event.allowed ?? undefined;
        break;
      case 'ledger': {
        const stored = cluster.configMaps.get('mount-monitor-budget')?.data;
        if (stored !== undefined && stored.broken === undefined) ledgerKept = stored;
        if (event.broken === 'absent') cluster.configMaps.delete('mount-monitor-budget');
        else if (event.broken === 'fine') cluster.putConfigMap('mount-monitor-budget', ledgerKept);
        else cluster.putConfigMap('mount-monitor-budget', garbage);
        break;
      }
      case 'latency':
        latencyMs = event.ms;
    }
    for (let slice = 0; slice < 4; slice += 1) {
      await clock.advance(waitMs / 4);
      expectReported();
      await recreate();
    }
  }
  // No matter what happened before: once the API server works and a mount stays unhealthy, the mode's promise is kept.
  cluster.faults.length = 0;
  allow();
  cluster.disruptionsAllowed = undefined;
  latencyMs = 5;
  const stored = cluster.configMaps.get('mount-monitor-budget')?.data;
  if (stored === undefined || stored.broken !== undefined)
    cluster.putConfigMap('mount-monitor-budget', ledgerKept);
  pod = cluster.addPod({ ...pod, owner });
  fail([]);
  watchdog.update(unhealthy);
  await clock.advance(600_000);
  await recreate();
  const { state } = watchdog.status();
  const [eventsBefore, restartsBefore] = [cluster.events.length, restarts.length + cluster.removals.length];
  fail([{ path: paths[0], reason: 'timeout' }]);
  watchdog.update(unhealthy);
  await clock.advance(8_000_000);
  if (state !== 'stopped' && state !== 'disarmed') {
    if (mode === 'notify') expect(cluster.events.length, 'an Event in the end').toBeGreaterThan(eventsBefore);
    else
      expect(restarts.length + cluster.removals.length, 'a restart in the end').toBeGreaterThan(
        restartsBefore,
      );
  }
  await watchdog.close();
  const sentBeforeClose = removalRequests;
  await clock.advance(1_000_000);

  expect(removalRequests, 'nothing is sent after close').toBe(sentBeforeClose);
  const podCalls = cluster.calls.filter(({ resource }) => resource.startsWith('pods'));
  expect(
    podCalls.filter(({ name }) => name !== 'media-0'),
    'requests only ever concern this pod',
  ).toEqual([]);
  if (podName !== 'media-0') expect(cluster.calls, 'nothing is sent without a name').toEqual([]);
  expect(cluster.calls.filter(({ verb }) => verb === 'deletecollection')).toEqual([]);
  expect(bystander.deletionTimestamp).toBeUndefined();

  restarts.push(...cluster.removals.map(({ at }) => at));
  restarts.sort((a, b) => a - b);
  if (budget !== undefined) {
    for (const [index, at] of restarts.entries()) {
      const inWindow = restarts.slice(index).filter((other) => other < at + budget.windowMs).length;
      expect(inWindow, 'restarts within one window').toBeLessThanOrEqual(budget.restarts);
    }
  }
  const total = (outcome: Parameters<ReturnType<Watchdog['metrics']>['restarts']['get']>[0]) =>
    watchdogs.reduce((sum, each) => sum + (each.metrics().restarts.get(outcome) ?? 0), 0);
  const logged = (message: string) => logs.reduce((sum, each) => sum + each.count(message), 0);
  expect(logged('watchdog restart suppressed')).toBe(total('suppressed'));
  expect(logged('watchdog restart cancelled')).toBe(total('cancelled'));
  expect(logged('watchdog restart refused')).toBe(total('refused'));
  expect(logged('watchdog: mounts are unhealthy')).toBe(total('notified'));
  expect(logged('watchdog exits')).toBe(total('exited'));
  return restarts.length;
}

it('follows every rule for any sequence of mount states, API answers and timings', {
  timeout: 300_000,
}, async () => {
  let restarts = 0;
  await fc.assert(
    fc.asyncProperty(scenario, async (drawn) => {
      restarts += await play(drawn);
    }),
    { numRuns: 3000 },
  );
  // Without restarts, the rules would not have been tested.
  expect(restarts).toBeGreaterThan(50);
});

/** Asks the API server only while arming: once armed without its answer, this watchdog continues without it. */
const asksOnce: typeof step = (machine, input, settings) => {
  const stepped = step(machine, input, settings);
  const { phase, target, callNumber } = stepped.machine;
  if (target !== undefined || phase.state === 'arming') return stepped;
  const asks = stepped.actions.some((action) => action.kind === 'call' && action.call.kind === 'arm');
  if (asks) return withoutAnswer(stepped, callNumber, input.at, settings);
  if (phase.state !== 'armed') return stepped;
  return { ...stepped, machine: { ...stepped.machine, phase: { state: 'armed' } } };
};

function withoutAnswer(
  { machine, actions }: Stepped,
  number: number,
  at: number,
  settings: Parameters<typeof step>[2],
): Stepped {
  const outcome = { kind: 'armed', target: undefined, facts: {}, warning: undefined } as const;
  const result = { call: 'arm', outcome } as const;
  const next = asksOnce(machine, { at, kind: 'result', number, result }, settings);
  const others = actions.filter((action) => action.kind !== 'call');
  return { machine: next.machine, actions: [...others, ...next.actions] };
}

/** Treats a mount that fails while another one is already reported as reported, too. */
const reportsTheFirst: typeof step = (machine, input, settings) => {
  if (input.kind !== 'mounts' || machine.phase.state !== 'notified') return step(machine, input, settings);
  return step({ ...machine, known: input.unhealthy.map(({ path }) => path) }, input, settings);
};

it.each([
  ['never asks the API server again after a blip at the start', asksOnce, 'in the end'],
  ['misses a second failure while another mount is down', reportsTheFirst, 'was reported since it failed'],
])('the rules detect a watchdog that %s', { timeout: 60_000 }, async (_, decide, rule) => {
  const { errorInstance } = await fc.check(
    fc.asyncProperty(scenario, async (drawn) => {
      await play(drawn, decide);
    }),
    { numRuns: 3000, endOnFailure: true },
  );
  expect(String(errorInstance)).toContain(rule);
});
