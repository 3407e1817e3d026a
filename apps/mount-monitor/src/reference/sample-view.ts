import { parseConfig } from '../config/config.ts';
import { cutReasons } from '../http/connection.ts';
import type { View } from '../http/view.ts';
import { MountRecord } from '../monitor/mount-record.ts';
import { restartOutcomes, watchdogStates } from '../watchdog/machine-types.ts';

const start = new Date('2026-01-01T00:00:00Z');

/**
 * A monitor with one healthy mount that has failed before, so that every metric family has a series with all of its
 * labels. Used for the reference pages and for checks of the endpoints' documentation.
 */
export function sampleView(): View {
  const text = JSON.stringify({ mounts: [{ name: 'movies', path: '/mnt/movies' }] });
  const { config } = parseConfig(text, 'config.json', { workingDirectory: '/' });
  const records = config.mounts.map((mount) => new MountRecord(mount, start));
  for (const record of records) {
    record.note(
      { kind: 'failed', reason: 'timeout', error: '', durationMs: 5000, mount: undefined },
      1,
      start,
    );
    record.note({ kind: 'passed', durationMs: 2, mount: undefined }, 1, start);
  }
  return {
    version: '1.2.3',
    startedAt: start,
    draining: () => false,
    config: () => config,
    revision: () => 1,
    mounts: () => records.map((record) => record.snapshot()),
    isHung: () => false,
    hungProbes: () => 0,
    predecessorProbes: () => 0,
    lostLogLines: () => 0,
    stalled: () => [],
    watchdog: () => ({
      status: { state: 'armed' },
      states: watchdogStates,
      restarts: new Map(restartOutcomes.map((outcome) => [outcome, 0])),
      kubeRequests: new Map([['get 200', 1]]),
    }),
    reloads: () => ({ lastSuccessful: true, lastSuccessAt: start }),
    http: () => ({
      open: 1,
      accepted: 1,
      cut: new Map(cutReasons.map((reason) => [reason, 0])),
      answers: new Map([[200, 1]]),
    }),
  };
}
