import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { machineUse, processorSeconds } from './processor-time.ts';

it('processorSeconds includes a program that has exited, and no waiting', async () => {
  const before = processorSeconds();
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(processorSeconds() - before).toBeLessThan(0.3);
  execFileSync(process.execPath, ['-e', 'while (process.cpuUsage().user < 0.5e6);']);
  expect(processorSeconds() - before).toBeGreaterThanOrEqual(0.5);
});

it('machineUse returns what the whole machine’s processors did since an earlier reading', () => {
  const before = machineUse();
  execFileSync(process.execPath, ['-e', 'while (process.cpuUsage().user < 0.3e6);']);
  const { busy, idle } = machineUse(before);
  expect(busy).toBeGreaterThan(0.25);
  expect(idle).toBeGreaterThanOrEqual(0);
});
