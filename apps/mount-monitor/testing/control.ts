/** The process behind {@link Machine}: writes its port, and then one line per cycle. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

/** From the end of one cycle to the start of the next, in ms. */
const pauseMs = 250;

/** As many probes as the monitor starts at once. */
const startsAtOnce = 4;

const executable = process.argv[2] ?? '';
const server = createServer((_, response) => response.end('{}\n'));
server.listen(0, '127.0.0.1');
await once(server, 'listening');
writeSync(1, `${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`);
for (;;) {
  const dueAt = Date.now() + pauseMs;
  await wait(pauseMs);
  const started = Array.from({ length: startsAtOnce }, () =>
    spawn(executable, ['--version'], { env: {}, stdio: 'ignore' }),
  );
  await Promise.all(started.map((child) => once(child, 'exit')));
  writeSync(1, `${JSON.stringify({ dueAt, tookMs: Date.now() - dueAt })}\n`);
}
