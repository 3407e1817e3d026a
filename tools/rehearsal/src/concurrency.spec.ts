import { expect, it } from 'vitest';
import { scheduleRuns } from './concurrency.ts';

it('one run waits, and the next one cancels it', () => {
  expect(scheduleRuns({ group: 'g', 'cancel-in-progress': false }, [1, 2, 3])).toEqual({
    ran: [1, 3],
    cancelled: [2],
  });
});

it('up to a hundred runs wait, in order, if the group queues', () => {
  const runs = Array.from({ length: 103 }, (_, index) => index);
  const { ran, cancelled } = scheduleRuns({ group: 'g', queue: 'max' }, runs);
  expect(ran).toEqual(runs.slice(0, 101));
  expect(cancelled).toEqual([101, 102]);
});

it('a new run cancels the running one with cancel-in-progress, which excludes a queue', () => {
  const concurrency = { group: 'g', 'cancel-in-progress': true };
  expect(scheduleRuns(concurrency, [1, 2, 3])).toEqual({ ran: [3], cancelled: [1, 2] });
  expect(() => scheduleRuns({ ...concurrency, queue: 'max' }, [1])).toThrow('exclude');
});
