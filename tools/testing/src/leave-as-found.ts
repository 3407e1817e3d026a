import { afterAll, vi } from 'vitest';

// A setup file for every project: test files share a process one after another, and must not see each other's changes.

// Set in vitest.config.ts for this process alone: the programs that it starts use memory as they do for users.
delete process.env.GLIBC_TUNABLES;

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
