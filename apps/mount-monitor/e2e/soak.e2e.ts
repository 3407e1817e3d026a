import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, inject, it } from 'vitest';

it('a minute of load, reloads and failing mounts causes no error, leak or missed check', async () => {
  const program = join(import.meta.dirname, '../testing/soak.ts');
  const child = spawn(process.execPath, [program, '--duration=60s', '--seed=1'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, MOUNT_MONITOR_EXECUTABLE: inject('executable') },
  });
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  expect({ code, errors }, output).toEqual({ code: 0, errors: '' });
}, 300_000);
