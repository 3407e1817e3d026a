import { describe, expect, it } from 'vitest';
import { StartGate } from './start-gate.ts';

describe('StartGate', () => {
  it('lets in as many as it has places, then in order of arrival', async () => {
    const gate = new StartGate(2);
    const entered: number[] = [];
    const releases = new Map<number, () => void>();
    for (const visitor of [1, 2, 3, 4]) {
      void gate.enter().then((release) => {
        entered.push(visitor);
        releases.set(visitor, release);
      });
    }
    const settle = () => new Promise((resolve) => setImmediate(resolve));
    await settle();
    expect(entered).toEqual([1, 2]);
    releases.get(2)?.();
    releases.get(2)?.();
    await settle();
    expect(entered).toEqual([1, 2, 3]);
    releases.get(1)?.();
    await settle();
    expect(entered).toEqual([1, 2, 3, 4]);
  });
});
