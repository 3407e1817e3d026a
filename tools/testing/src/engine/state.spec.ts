import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EngineError } from './errors.ts';
import { engineLayout } from './layout.ts';
import { type EngineState, parseState, readState, removeState, writeState } from './state.ts';

const state: EngineState = {
  registryPort: 5055,
  processes: {
    containerd: { pid: 10, startTime: '1', bootId: 'b' },
    dockerd: { pid: 11, startTime: '2', bootId: 'b' },
  },
  emulation: { kind: 'registered', name: 'qemu-aarch64', interpreter: '/q' },
};

describe('the record of a started engine', () => {
  it('the record of a started engine is read back as written, and is gone after removal', async () => {
    const home = await mkdtemp(join(tmpdir(), 'engine-state-'));
    try {
      const layout = engineLayout(home);
      expect(await readState(layout)).toBeUndefined();
      await writeState(layout, state);
      expect(await readState(layout)).toEqual(state);
      await removeState(layout);
      expect(await readState(layout)).toBeUndefined();
    } finally {
      await rm(home, { recursive: true });
    }
  });

  it.each([
    [
      'a process id that means a group',
      { ...state, processes: { dockerd: { pid: -1, startTime: '1', bootId: 'b' } } },
    ],
    ['the id of init', { ...state, processes: { dockerd: { pid: 1, startTime: '1', bootId: 'b' } } }],
    ['a process without start time', { ...state, processes: { dockerd: { pid: 11, bootId: 'b' } } }],
    [
      'a malicious emulator name',
      { ...state, emulation: { kind: 'registered', name: '../status', interpreter: '/q' } },
    ],
    ['no port', { ...state, registryPort: undefined }],
    ['a list', []],
  ])('the record of a started engine is refused with %s', (_, value) => {
    expect(() => parseState(JSON.stringify(value), '/s')).toThrow(expect.objectContaining({ code: 'STATE' }));
  });

  it('any other text in the record of a started engine is refused with an EngineError', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(() => parseState(text, '/s')).toThrow(EngineError);
      }),
    );
  });
});
