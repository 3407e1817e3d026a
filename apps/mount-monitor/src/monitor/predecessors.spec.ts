import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findStrays } from './predecessors.ts';

const self = 100;
const otherMonitor = 200;
const init = 1;
const killed = '0000000000000100';
const nothing = '0000000000000000';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'proc-'));
  for (const pid of [self, otherMonitor]) writeProcess(pid, { title: 'mount-monitor' });
  writeProcess(init, { title: 'pause' });
});
afterEach(() => rmSync(folder, { recursive: true }));

interface Fields {
  readonly title?: string;
  readonly state?: string;
  readonly parent?: number;
  readonly pending?: string;
}

/** Writes a process's kernel files into the folder that replaces /proc. */
function writeProcess(
  pid: number,
  { title = 'mm-probe0abc) D', state = 'S', parent = init, pending = nothing }: Fields,
): void {
  const path = join(folder, String(pid));
  mkdirSync(path);
  writeFileSync(join(path, 'comm'), `${title}\n`);
  writeFileSync(join(path, 'stat'), `${pid} (${title}) ${state} ${parent} ${'0 '.repeat(17)}4711 0 0\n`);
  writeFileSync(join(path, 'status'), `Name:\t${title}\nSigPnd:\t${pending}\nShdPnd:\t${nothing}\n`);
}

it.each<[string, 'counts' | 'does not count', Fields]>([
  ['killed and held by the kernel', 'counts', { state: 'D', parent: otherMonitor, pending: killed }],
  ['held by the kernel after its monitor has exited', 'counts', { state: 'D', pending: killed }],
  ['working after its monitor has exited', 'counts', {}],
  ['working for another monitor', 'does not count', { state: 'D', parent: otherMonitor }],
  ['this monitor’s own', 'does not count', { state: 'D', parent: self, pending: killed }],
  ['a zombie', 'does not count', { state: 'Z' }],
  ['not a probe', 'does not count', { title: 'rclone', state: 'D', pending: killed }],
])('a process that is %s %s as left behind', (_, verdict, fields) => {
  writeProcess(300, fields);
  const isOrphan = fields.parent === undefined;
  const found = [{ pid: 300, title: 'mm-probe0abc) D', startedAt: '4711', isOrphan }];
  expect(findStrays(folder, self)).toEqual(verdict === 'counts' ? found : []);
});

it('ignores a process that exits while it is examined', () => {
  writeProcess(300, {});
  rmSync(join(folder, '300', 'stat'));
  expect(findStrays(folder, self)).toEqual([]);
});
