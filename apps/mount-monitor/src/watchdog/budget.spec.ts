import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { enter, formatLedger, type LedgerEntry, ledgerKey, parseLedger } from './budget.ts';
import type { PodName } from './kube/names.ts';

const pod = 'media-7d4b9c-x2x4z' as PodName;

describe('ledger key', () => {
  it.each([
    [
      'a Deployment, across rollouts',
      { kind: 'ReplicaSet', name: 'media-7d4b9c' },
      '7d4b9c',
      'Deployment.media',
    ],
    ['a standalone ReplicaSet', { kind: 'ReplicaSet', name: 'media' }, undefined, 'ReplicaSet.media'],
    ['a ReplicaSet with another hash', { kind: 'ReplicaSet', name: 'media-1' }, '2', 'ReplicaSet.media-1'],
    ['a StatefulSet', { kind: 'StatefulSet', name: 'media' }, undefined, 'StatefulSet.media'],
    ['a name that is not a valid key', { kind: 'X', name: 'a:b/c' }, undefined, 'X.a_b_c'],
    ['no controller', undefined, undefined, `Pod.${pod}`],
  ])('ledgerKey derives the key of %s', (_, controller, templateHash, key) => {
    expect(ledgerKey({ controller, templateHash }, pod)).toBe(key);
  });
});

describe('list of restarts', () => {
  const entry = fc.record({
    id: fc.string(),
    pod: fc.string(),
    at: fc.integer({ min: 0, max: 4_000_000_000_000 }),
  });

  it('parseLedger parses what formatLedger writes', () => {
    fc.assert(
      fc.property(fc.array(entry), (entries) => {
        expect(parseLedger(formatLedger(entries))).toEqual(entries);
      }),
    );
  });

  it('parseLedger parses lists of restarts and never throws on any other text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const parsed = parseLedger(text);
        if (parsed !== undefined) expect(parseLedger(formatLedger(parsed))).toEqual(parsed);
      }),
    );
    expect(parseLedger('{"id":"a"}')).toBeUndefined();
    expect(parseLedger('[{"id":"a","pod":"p","at":"never"}]')).toBeUndefined();
    expect(parseLedger('[1]')).toBeUndefined();
    expect(parseLedger(undefined)).toEqual([]);
    expect(parseLedger(' ')).toEqual([]);
  });

  it('a budget never allows more restarts in a window than its limit', () => {
    const attempts = fc.array(fc.record({ waitMs: fc.integer({ min: 0, max: 200_000 }), id: fc.nat(20) }));
    const budget = fc.record({
      restarts: fc.integer({ min: 1, max: 4 }),
      windowMs: fc.integer({ min: 1000, max: 300_000 }),
    });
    fc.assert(
      fc.property(attempts, budget, (tries, limits) => {
        let entries: readonly LedgerEntry[] = [];
        const granted = new Map<string, number>();
        let now = 1_000_000;
        for (const { waitMs, id } of tries) {
          now += waitMs;
          const result = enter(entries, { id: String(id), pod, at: now }, limits);
          if (!('entries' in result)) {
            expect(result.freeInMs).toBeGreaterThan(0);
            const later = enter(entries, { id: String(id), pod, at: now + result.freeInMs }, limits);
            expect('entries' in later, 'there is room at the announced time').toBe(true);
            continue;
          }
          entries = result.entries;
          granted.set(String(id), now);
          const inWindow = [...granted.values()].filter((at) => at > now - limits.windowMs).length;
          expect(inWindow).toBeLessThanOrEqual(limits.restarts);
        }
      }),
    );
  });
});
