import { describe, expect, it } from 'vitest';
import type { EngineAvailability } from './engine/environment.ts';
import { requireEngine } from './test-needs.ts';

const absent: EngineAvailability = { available: false, reason: 'the engine is not up' };
const notes: string[] = [];
const skip = (note: string): never => {
  notes.push(note);
  throw new Error('skipped');
};

describe('requireEngine', () => {
  it('requireEngine returns the environment of an engine that is up', () => {
    const environment = {
      DOCKER_HOST: 'unix:///s',
      DOCKER_CONFIG: '/c',
      PATH: '/p',
      REGISTRY: '127.0.0.1:1',
    };
    expect(requireEngine({ available: true, environment }, skip, { CI: 'true' })).toBe(environment);
  });

  it.each([[{}], [{ CI: '' }], [{ CI: 'false' }]])('requireEngine skips a test outside of CI (%j)', (env) => {
    notes.length = 0;
    expect(() => requireEngine(absent, skip, env)).toThrow('skipped');
    expect(notes).toEqual(['the engine is not up']);
  });

  it('requireEngine fails in CI', () => {
    expect(() => requireEngine(absent, skip, { CI: 'true' })).toThrow(
      expect.objectContaining({
        code: 'UNAVAILABLE',
        message: 'in CI this test must run, but the engine is not up',
      }),
    );
  });
});
