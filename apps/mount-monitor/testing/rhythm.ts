import { expect } from 'vitest';
import type { Machine } from './machine.ts';
import type { MonitorProcess } from './monitor-process.ts';

/** How late a check of a healthy mount may be, as a fraction of the interval and in ms. */
const late = { share: 0.1, ms: 200 };

/** How long an endpoint may take to answer, in ms. */
const answerMs = 50;

/** How many checks of the healthy mount, and answers, must be observed. */
const enough = { checks: 5, answers: 20 };

const endpoints = ['/healthz/live', '/healthz/ready', '/healthz/status', '/healthz/self', '/metrics'];

/** The longest allowed time between two checks, in ms. */
export function longestGapMs(intervalMs: number): number {
  return intervalMs * (1 + late.share) + late.ms;
}

/** A check and an answer each take the monitor and another process, of which the machine can delay both. */
const PROCESSES = 2;

/** Fails, with all three numbers, if a time exceeds its limit plus what the machine's own lateness explains. */
export function expectWithin(what: string, foundMs: number, limitMs: number, machineMs: number): void {
  const message = `${what}: limit ${limitMs} ms, found ${foundMs.toFixed(1)} ms; the machine itself was late by ${machineMs.toFixed(1)} ms`;
  console.log(message);
  expect(foundMs, message).toBeLessThanOrEqual(limitMs + PROCESSES * machineMs);
}

/** A healthy mount, and the monitor that logs its checks at level debug. */
export interface Neighbor {
  /** What fails at the same time. */
  readonly beside: string;
  readonly monitor: MonitorProcess;
  readonly name: string;
  readonly intervalMs: number;
}

/**
 * Watches a healthy mount and all endpoints from a time (of `Date.now`) on: no check and no answer may be late. For
 * each endpoint, a bare server is called as well, so that whatever delays this process delays both.
 */
export async function expectRhythm(neighbor: Neighbor, machine: Machine, since: number): Promise<void> {
  const { beside, monitor, name, intervalMs } = neighbor;
  const answers: number[] = [];
  const bareAnswers: number[] = [];
  let times: readonly number[] = [];
  await monitor.until(`${name} was checked ${enough.checks} times`, async () => {
    const endpoint = endpoints[answers.length % endpoints.length] ?? '';
    const [answer, bare] = await Promise.all([monitor.get(endpoint), machine.answer()]);
    answers.push(answer.milliseconds);
    bareAnswers.push(bare);
    times = passesOf(monitor, name);
    const checks = times.filter((time) => time >= since).length;
    return checks >= enough.checks && answers.length >= enough.answers;
  });
  const first = times.findLastIndex((time) => time < since);
  const gaps = times.slice(first + 1).map((time, index) => time - (times[first + index] ?? time));
  const lateness = await machine.latenessSince(since);
  const longest = Math.max(...gaps);
  expectWithin(`${beside}: longest time between two checks`, longest, longestGapMs(intervalMs), lateness);
  // The monitor answers in between starting probes; the time that takes on this machine is part of the control's
  // lateness.
  const machineMs = Math.max(lateness, ...bareAnswers);
  expectWithin(`${beside}: slowest of ${answers.length} answers`, Math.max(...answers), answerMs, machineMs);
}

/** When the checks of this name passed, according to the log at level debug. */
export function passesOf(monitor: MonitorProcess, name: string): readonly number[] {
  return monitor.stdout
    .split('\n')
    .slice(0, -1)
    .filter(
      (line) => line.includes('"health check passed"') && line.includes(`"name":${JSON.stringify(name)}`),
    )
    .map((line) => Date.parse(String((JSON.parse(line) as { readonly time: unknown }).time)));
}
