import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  engineEnvironment,
  environmentOf,
  layoutFrom,
  registryProblem,
  shellExports,
} from './environment.ts';
import { engineLayout } from './layout.ts';

const absent = { PREBUILT_ENGINE_HOME: '/nonexistent/engine' };
describe('engineEnvironment', () => {
  it('engineEnvironment says how to start an engine if none was started', async () => {
    expect(await engineEnvironment(absent)).toEqual({
      available: false,
      reason: 'the engine is not up; start it as root: npm run engine -- up',
    });
  });
});

describe('the environment', () => {
  it('the engine’s folder defaults to /var/lib/prebuilt-engine', () => {
    expect(layoutFrom({}).home).toBe('/var/lib/prebuilt-engine');
    expect(layoutFrom({ PREBUILT_ENGINE_HOME: '/e/../f' }).home).toBe('/f');
  });

  it('the environment has the engine’s docker first in PATH, once', () => {
    const once = environmentOf(engineLayout('/e'), 5055, { PATH: '/usr/bin:/bin' });
    const twice = environmentOf(engineLayout('/e'), 5055, { PATH: once.PATH });
    expect(once.PATH).toBe('/e/bin:/usr/bin:/bin');
    expect(twice.PATH).toBe(once.PATH);
  });

  it('the environment survives evaluation by a shell, with quotes and commands in its folder', () => {
    const layout = engineLayout(`/it's/$(id)`);
    const lines = shellExports(layout, environmentOf(layout, 5055, {}));
    const shown = execFileSync(
      '/bin/sh',
      ['-c', `${lines}\nprintf '%s\n' "$DOCKER_HOST" "$REGISTRY" "$PATH"`],
      {
        encoding: 'utf8',
        env: { PATH: '/usr/bin' },
      },
    );
    expect(shown).toBe(`unix:///it's/$(id)/run/docker.sock\n127.0.0.1:5055\n/it's/$(id)/bin:/usr/bin\n`);
  });
});

describe('registryProblem', () => {
  it.each([
    [200, undefined],
    [401, 'expected 200'],
  ])('registryProblem for status %i is %s', async (status, problem) => {
    const server = createServer((_, response) => response.writeHead(status).end());
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const found = await registryProblem(`127.0.0.1:${address.port}`);
    if (problem === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(problem);
  });

  it('registryProblem names the address if nothing listens', async () => {
    expect(await registryProblem('127.0.0.1:1')).toMatch(/^registry: http:\/\/127\.0\.0\.1:1\/v2\/: /);
  });
});
