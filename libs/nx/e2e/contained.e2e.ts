import { spawnSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { skipOutsideCi } from '@prebuilt/testing/engine';
import { execa } from 'execa';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { readManifest } from '../src/artifacts/manifest.ts';
import type { VerifyReport } from '../src/artifacts/verify-report.ts';
import { emulatorPlaces, readExecutionFacts } from '../src/executors/verify/facts.ts';
import { planVerify } from '../src/executors/verify/plan.ts';
import { runVerify } from '../src/executors/verify/run.ts';
import { useRealEngine } from '../testing/release.ts';
import { buildIn } from '../testing/toolchain-build.ts';

await useRealEngine();

const HAS_CC = spawnSync('x86_64-linux-gnu-gcc', ['--version']).status === 0;
const LIBRARIES = ['lib64/ld-linux-x86-64.so.2', 'lib/x86_64-linux-gnu/libc.so.6'];
const MAC = { os: 'darwin', arch: 'arm64' };

// Knows its version, prints its user and whether it may write, and can run forever.
const PROGRAM = `#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int count, char **arguments) {
  if (count > 1 && strcmp(arguments[1], "--wait") == 0) pause();
  printf("program 1.2.3\\n");
  return getuid() != 65532 || fopen("/written", "w") != NULL || fopen("/tmp/written", "w") == NULL;
}
`;

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'contained-'));
  if (!HAS_CC) return;
  await writeFile(join(root, 'main.c'), PROGRAM);
  for (const path of LIBRARIES) {
    const copy = join(root, 'sysroots/linux-amd64', path);
    await mkdir(dirname(copy), { recursive: true });
    await copyFile(join('/', path), copy);
  }
  const command = ['{gnuTarget}-gcc', '-Wl,--build-id=none', '-o', '{output}', 'main.c'];
  await buildIn(root, {
    toolchain: { name: 'command', command },
    platforms: ['linux/amd64'],
    sysroot: 'sysroots',
  });
});
afterAll(() => rm(root, { recursive: true, force: true }));
beforeEach(({ skip }) => {
  if (!HAS_CC) skipOutsideCi('there is no x86_64-linux-gnu-gcc: apt-get install gcc', skip);
});

/** Verifies like on a Mac: with a Mac's facts, and this machine's engine. */
async function verifyOnMac(smoke: readonly string[][], timeout = 60): Promise<VerifyReport | undefined> {
  const options = {
    inputPath: 'dist/bin',
    outputPath: 'dist/verify',
    requireExecution: true,
    printsVersion: true,
    smoke,
    timeout,
    json: false,
  };
  const manifest = await readManifest(join(root, 'dist/bin'));
  const platforms = manifest.manifest.platforms.map(({ platform }) => platform);
  const facts = await readExecutionFacts(platforms, await emulatorPlaces(root, undefined, {}), MAC);
  const [report] = await runVerify(planVerify(options, root, manifest, facts), new AbortController().signal);
  return report;
}

const imagesAndContainers = async (): Promise<string> => {
  const [images, containers] = await Promise.all([
    execa('docker', ['image', 'ls', '--quiet', '--filter=dangling=true']),
    execa('docker', ['ps', '--all', '--quiet', '--filter=label=prebuilt.verify']),
  ]);
  return `${images.stdout}\n${containers.stdout}`;
};

it('runs an executable in a real engine’s container, with its own libraries and without privileges', async () => {
  const before = await imagesAndContainers();
  expect(await verifyOnMac([['--version']])).toMatchObject({
    result: 'passed',
    execution: { how: 'container', engine: expect.stringMatching(/^docker \d+\./) },
    findings: [],
  });
  expect(await imagesAndContainers()).toBe(before);
});

it('kills a container that takes too long, and leaves nothing behind', async () => {
  const before = await imagesAndContainers();
  expect(await verifyOnMac([['--wait']], 3)).toMatchObject({
    result: 'failed',
    findings: [{ code: 'TIMEOUT' }],
  });
  expect(await imagesAndContainers()).toBe(before);
});
