import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { expect, it } from 'vitest';
import { freePort } from './free-port.ts';

it('freePort returns a port that can be listened on, and that no client is given', async () => {
  const port = await freePort();
  const server = createServer().listen(port);
  await once(server, 'listening');
  expect((server.address() as AddressInfo).port).toBe(port);
  server.close();
  const range = '/proc/sys/net/ipv4/ip_local_port_range';
  const [first] = process.platform === 'linux' ? readFileSync(range, 'utf8').split(/\s+/) : ['49152'];
  expect(port).toBeLessThan(Number(first));
});
