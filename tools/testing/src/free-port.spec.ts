import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { expect, it } from 'vitest';
import { freePort } from './free-port.ts';

it('freePort returns a port that can be listened on', async () => {
  const port = await freePort();
  const server = createServer().listen(port);
  await once(server, 'listening');
  expect((server.address() as AddressInfo).port).toBe(port);
  server.close();
});

it('freePort returns a port that no client is given', async ({ skip }) => {
  const range = '/proc/sys/net/ipv4/ip_local_port_range';
  const [first] = process.platform === 'linux' ? readFileSync(range, 'utf8').split(/\s+/) : ['49152'];
  // https://docs.kernel.org/networking/ip-sysctl.html: the default is 32768.
  if (Number(first) < 32_768) skip(`clients get ports from ${first} on here, below the default`);
  expect(await freePort()).toBeLessThan(Number(first));
});
