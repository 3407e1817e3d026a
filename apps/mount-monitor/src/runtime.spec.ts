import { expect, it } from 'vitest';
import { recordingLog } from '../testing/recording-log.ts';
import { logWarnings } from './runtime.ts';

it('turns a warning of the runtime into exactly one log line', async () => {
  const before = process.listeners('warning');
  const log = recordingLog();
  logWarnings(log);
  process.emitWarning('one\ntwo', 'TimeoutNegativeWarning');
  await new Promise((resolve) => setImmediate(resolve));
  expect(process.listenerCount('warning')).toBe(1);
  process.removeAllListeners('warning');
  for (const listener of before) process.on('warning', listener);
  expect(log.lines).toEqual([
    {
      level: 'warn',
      message: 'runtime warning',
      fields: { name: 'TimeoutNegativeWarning', problem: 'one\ntwo' },
    },
  ]);
});
