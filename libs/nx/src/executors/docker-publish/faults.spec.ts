import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type FakeRegistry,
  type Fault,
  type FaultProxy,
  type Step,
  sleepingClock,
  startFakeRegistry,
  startFaultProxy,
} from '@prebuilt/testing/registry';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publish } from '../../../testing/publish.ts';
import { type PublishWorkspace, publishWorkspace } from '../../../testing/publish-workspace.ts';

const STEPS: readonly Step[] = [
  'tags GET',
  'upload POST',
  'blob HEAD',
  'upload PATCH',
  'upload PUT',
  'manifest PUT',
  'manifest GET',
  'blob GET',
  'tag PUT',
  'tag PUT by name',
];
// How long a connection may go without a byte before it counts as stalled: short for faults that stall, else long.
const STALLED_MS = 2000;
const BUSY_MS = 30_000;
const TAG_STEPS: readonly Step[] = ['tag PUT', 'tag PUT by name'];

type Rhythm = 'once' | 'every second';

interface Row {
  readonly title: string;
  readonly fault: Fault;
  /** Whether a retry may succeed. */
  readonly transient: boolean;
  /** Which requests of a step meet the fault, counted from 1. Defaults to the rhythm's. */
  readonly hits?: (nth: number) => boolean;
}

const ROWS: readonly Row[] = [
  { title: 'connection closed unanswered', fault: 'refused', transient: true },
  { title: 'reset in the request', fault: 'reset-in-request', transient: true },
  { title: 'reset in the answer', fault: 'reset-in-response', transient: true },
  { title: '429 with Retry-After', fault: 'status-429', transient: true },
  { title: '500 twice', fault: 'status-500', transient: true, hits: (nth) => nth <= 2 },
  { title: '503 forever', fault: 'status-503', transient: false, hits: () => true },
  { title: 'stalled body', fault: 'stalled-body', transient: true },
  { title: 'truncated body', fault: 'truncated-body', transient: true },
  { title: 'one byte changed', fault: 'changed-byte', transient: false },
  { title: 'redirect to another host', fault: 'redirect-elsewhere', transient: false },
  { title: 'endless body', fault: 'endless-body', transient: false },
];

const DOCS = join(import.meta.dirname, '../../../../../docs/publishing.md');
const BEGIN = '<!-- faults: written by faults.spec.ts -->';
const END = '<!-- end of faults -->';

describe('a fault between publisher and registry', () => {
  let workspace: PublishWorkspace;
  const outcomes = new Map<string, string>();

  beforeAll(async () => {
    // Each publish listens for signals.
    process.setMaxListeners(50);
    workspace = await publishWorkspace({ version: '1.2.3', executableSize: 40_000 });
  });
  afterAll(() => workspace?.remove());

  async function inCell(row: Row, rhythm: Rhythm, step: Step): Promise<void> {
    const registry = await startFakeRegistry({ tagsByDigest: step !== 'tag PUT by name' });
    const proxy = await startFaultProxy(registry.host);
    try {
      outcomes.set(`${row.title} ${rhythm} ${step}`, await outcomeOf({ registry, proxy }, row, rhythm, step));
    } finally {
      await proxy.close();
      await registry.close();
    }
  }

  async function outcomeOf(
    { registry, proxy }: { readonly registry: FakeRegistry; readonly proxy: FaultProxy },
    row: Row,
    rhythm: Rhythm,
    step: Step,
  ): Promise<string> {
    const run = () =>
      publish(
        workspace,
        `${proxy.host}/owner/app`,
        { concurrency: 1, outputPath: `dist/publish-${proxy.host.replace(':', '-')}` },
        { clock: sleepingClock(), idleMs: row.fault === 'stalled-body' ? STALLED_MS : BUSY_MS },
      );
    const hits = row.hits ?? ((nth: number) => (rhythm === 'once' ? nth === 1 : nth % 2 === 0));
    proxy.inject((at, nth) => (at === step && hits(nth) ? row.fault : undefined));
    const result = await run();
    const where = `${row.title}, ${rhythm}, at ${step}: ${result.output}`;
    const met = proxy.met;
    const retried = /retrying in/.test(result.output);

    // In every case, no tag ever pointed to anything but the verified image, and a failure before the tags moved none.
    // Only a tag that is put by name, over plain HTTP, may be wrong until it is corrected.
    const mayLie = row.fault === 'changed-byte' && step === 'tag PUT by name';
    const moves = [...registry.tagMoves];
    for (const [tag, digest] of mayLie ? [] : moves)
      expect(digest, `${tag}: ${where}`).toBe(workspace.index.digest);
    for (const digest of registry.tags.values()) expect(digest, where).toBe(workspace.index.digest);
    if (!result.success && !TAG_STEPS.includes(step)) expect(moves, where).toEqual([]);
    if (row.fault === 'changed-byte' && step === 'tag PUT') {
      expect(result.success, where).toBe(false);
      expect(result.output, where).toContain('status 400: DIGEST_INVALID');
      expect(moves, where).toHaveLength(rhythm === 'once' ? 0 : 1);
    }
    if (row.transient) expect(result.success, where).toBe(true);
    if (!result.success) {
      expect(result.output, where).toMatch(/^error [A-Z_]+: 127\.0\.0\.1:\d+\/owner\/app: /m);
      proxy.inject(() => undefined);
      const again = await run();
      expect(again.success, `${where}\nagain: ${again.output}`).toBe(true);
    }
    expect([...registry.tags], where).toHaveLength(5);
    // If the response to a POST is lost, the publisher never learns about the upload that it opened.
    const lost = step === 'upload POST' ? met : 0;
    expect(registry.openUploads(), where).toBeLessThanOrEqual(lost);

    if (met === 0) return 'does not occur';
    if (!result.success) return `\`${/^error ([A-Z_]+)/m.exec(result.output)?.[1]}\``;
    return retried ? 'retried' : 'no effect';
  }

  // The cells run in parallel, each with its own registry, starting with those that wait longest.
  it.concurrent.each(
    ROWS.toSorted(
      (one, other) => Number(other.fault === 'stalled-body') - Number(one.fault === 'stalled-body'),
    ).flatMap((row) =>
      (['once', 'every second'] as const).map((rhythm) => [row.title, rhythm, row] as const),
    ),
  )(
    '%s, %s: a publish survives the fault if it is transient, else names it and moves no tag, and a rerun completes',
    async (_, rhythm, row) => {
      // Stalled cells only wait.
      if (row.fault === 'stalled-body') await Promise.all(STEPS.map((step) => inCell(row, rhythm, step)));
      else for (const step of STEPS) await inCell(row, rhythm, step);
    },
    300_000,
  );

  it('a fault while the tags move leaves those that have moved, and the error says which ones they are', async () => {
    const registry = await startFakeRegistry();
    const proxy = await startFaultProxy(registry.host);
    try {
      const [one, two] = [`${proxy.host}/owner/one`, `${proxy.host}/owner/two`];
      const more = { outputPath: 'dist/publish-tags' };
      const run = () => publish(workspace, `${one},${two}`, more, { clock: sleepingClock() });
      proxy.inject((at, nth) => (at === 'tag PUT' && nth > 7 ? 'status-503' : undefined));
      const { success, output } = await run();
      expect(success).toBe(false);
      const [told = '', ...lines] = output.slice(output.search(/^error /m)).split('\n');
      expect(told).toMatch(/^error REGISTRY_UNAVAILABLE: .*owner\/two: set tag 1\.2: .*after 6 tries/);
      expect(lines.slice(0, 3)).toEqual([
        '  Run it again once the registry responds: finished work is kept.',
        `  ${one}: moved: 1.2.3, v1.2.3, 1.2, 1, latest; not yet: none`,
        `  ${two}: moved: 1.2.3, v1.2.3; not yet: 1.2, 1, latest`,
      ]);
      expect([...registry.tags]).toHaveLength(7);
      const retries = output.split('\n').filter((line) => line.includes('retrying in'));
      expect(retries).toHaveLength(5);
      for (const line of retries) expect(line.split('set tag')).toHaveLength(2);
      proxy.inject((at, nth) => (at === 'tag PUT' && nth > 1 ? 'status-503' : undefined));
      const again = await run();
      expect(again.output).toContain(`  ${two}: moved: 1.2.3, v1.2.3, 1.2; not yet: 1, latest`);
    } finally {
      await proxy.close();
      await registry.close();
    }
  });

  it('each fault between publisher and registry has the outcome that docs/publishing.md documents', async () => {
    const table = (rhythm: Rhythm): readonly string[] => [
      `| ${rhythm} at | ${ROWS.map(({ title }) => title).join(' | ')} |`,
      `|---|${ROWS.map(() => '---|').join('')}`,
      ...STEPS.map((step) => {
        const row = ROWS.map(({ title }) => outcomes.get(`${title} ${rhythm} ${step}`));
        return `| ${step} | ${row.join(' | ')} |`;
      }),
    ];
    const found = [BEGIN, '', ...table('once'), '', ...table('every second'), '', END].join('\n');
    const docs = await readFile(DOCS, 'utf8');
    const [before, after] = [docs.slice(0, docs.indexOf(BEGIN)), docs.slice(docs.indexOf(END) + END.length)];
    if (process.env.UPDATE_DOCS === '1') await writeFile(DOCS, `${before}${found}${after}`);
    else expect(docs.slice(before.length, docs.length - after.length)).toBe(found);
  });
});

describe('an unreachable registry', () => {
  it('an unreachable registry is tried as often as the limits allow, then named', async () => {
    const workspace = await publishWorkspace({ version: '1.2.3', executableSize: 1000 });
    try {
      const gone = await startFakeRegistry();
      await gone.close();
      const clock = sleepingClock();
      const result = await publish(workspace, `${gone.host}/owner/app`, {}, { clock });
      expect(result.success).toBe(false);
      expect(result.output).toMatch(/error REGISTRY_UNAVAILABLE: .*ECONNREFUSED.*after 6 tries/);
      expect(clock.slept).toHaveLength(5);
    } finally {
      await workspace.remove();
    }
  });
});
