import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cleanText } from '@prebuilt/oci';
import { afterEach, describe, expect, it } from 'vitest';
import { createGitHubClient } from './client.ts';

// An escape sequence for a terminal, and what a runner would take for a workflow command.
const HOSTILE = 'a\u001b[31m\r\n::add-mask::x\u202e';
const CLEAN = 'a [31m ::add-mask::x';

let server: Server | undefined;
afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => server?.close(resolve));
});

async function clientOf(status: number, answer: unknown) {
  server = createServer((_, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const told: string[] = [];
  const client = createGitHubClient({
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    repository: 'owner/app',
    token: 'canary',
    clock: { now: () => 0, sleep: async () => {}, random: () => 0 },
    signal: new AbortController().signal,
    told: (line) => told.push(line),
  });
  return { client, told };
}

describe('text from GitHub', () => {
  it('an error message from GitHub is one line without control sequences, runner commands or the token', async () => {
    const { client } = await clientOf(422, { message: `${HOSTILE} canary` });
    await expect(client.readRelease(1)).rejects.toMatchObject({
      code: 'GITHUB',
      message: expect.stringContaining(`(owner/app): HTTP 422: ${CLEAN}  ***`),
    });
  });

  it('an unexpected response from GitHub is printed just as safely', async () => {
    const { client } = await clientOf(200, [{ id: HOSTILE }]);
    const error = await client.listReleases().catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'GITHUB' });
    const { message } = error as Error;
    expect(message).toBe(cleanText(message));
    expect(message).toContain('add-mask');
  });

  it('URLs and names from GitHub can be printed safely', async () => {
    const asset = { id: 2, name: HOSTILE, state: 'uploaded', size: 1 };
    const { client } = await clientOf(200, [
      {
        id: 1,
        tag_name: 'v1',
        draft: true,
        prerelease: false,
        html_url: HOSTILE,
        upload_url: '',
        assets: [asset],
      },
    ]);
    expect(await client.listReleases()).toMatchObject([{ pageUrl: CLEAN, assets: [{ name: CLEAN }] }]);
  });
});
