import { freePort } from '@prebuilt/testing/free-port';
import { afterEach, expect, it, vi } from 'vitest';
import { ask } from '../../testing/monitor-process.ts';
import { recordingLog } from '../../testing/recording-log.ts';
import { text } from './reply.ts';
import { BUSY_ANSWERS, HttpServer } from './server.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

it('the server reports once per second that it is busy, and never while it is not', async () => {
  let second = 1000;
  vi.spyOn(performance, 'now').mockImplementation(() => second * 1000);
  const onBusy = vi.fn();
  const server = new HttpServer(() => text(200, 'ok\n'), recordingLog(), onBusy);
  const port = await freePort();
  await server.listen('127.0.0.1', port);
  const askOften = async (count: number): Promise<void> => {
    for (let asked = 0; asked < count; asked += 50) {
      await Promise.all(
        Array.from({ length: Math.min(50, count - asked) }, () => ask('127.0.0.1', port, 'GET', '/')),
      );
    }
  };
  await askOften(BUSY_ANSWERS - 1);
  second += 1;
  await askOften(BUSY_ANSWERS - 1);
  expect(onBusy).not.toHaveBeenCalled();
  await askOften(1);
  expect(onBusy).toHaveBeenCalledTimes(1);
  await server.drain(1000);
});
