import { afterAll, vi } from 'vitest';

// A setup file of every project: files run one after another in one process, and none finds what another has changed.
const environment = { ...process.env };
const folder = process.cwd();

afterAll(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
  vi.useRealTimers();
  for (const name of Object.keys(process.env)) if (!(name in environment)) delete process.env[name];
  Object.assign(process.env, environment);
  process.chdir(folder);
});
