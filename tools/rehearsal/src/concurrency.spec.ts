import { expect, it } from 'vitest';
import { scheduleRuns } from './concurrency.ts';

it('lets one run wait, which the next one cancels', () => {
  expect(scheduleRuns({ group: 'g', 'cancel-in-progress': false }, [1, 2, 3])).toEqual({
    ran: [1, 3],
    cancelled: [2],
  });
});

it('lets a hundred wait, in their order, where the group queues', () => {
  const runs = Array.from({ length: 103 }, (_, index) => index);
  const { ran, cancelled } = scheduleRuns({ group: 'g', queue: 'max' }, runs);
  expect(ran).toEqual(runs.slice(0, 101));
  expect(cancelled).toEqual([101, 102]);
});

it('ends what runs where it may be cancelled, which a queue excludes', () => {
  const concurrency = { group: 'g', 'cancel-in-progress': true };
  expect(scheduleRuns(concurrency, [1, 2, 3])).toEqual({ ran: [3], cancelled: [1, 2] });
  expect(() => scheduleRuns({ ...concurrency, queue: 'max' }, [1])).toThrow('exclude');
});
