import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { anonymousBytes, anonymousBytesOfTree, processorMsOfTree, runAll } from './process.ts';

const node = (program: string) => ({ file: process.execPath, args: ['--eval', program] });

describe('runAll', () => {
  it('runAll counts the memory of a child’s own children', async () => {
    const held = 'const b = Buffer.alloc(2e8, 1); setTimeout(() => b.length, 500)';
    const { peakBytes } = await runAll([
      node(`require('node:child_process').spawn(process.execPath, ['--eval', ${JSON.stringify(held)}])`),
    ]);
    expect(peakBytes).toBeGreaterThan(2e8);
  });

  it('runAll fails with the output of the command if one of several fails', async () => {
    await expect(runAll([node(''), node('console.error("broken"); process.exitCode = 3')])).rejects.toThrow(
      expect.objectContaining({
        code: 'SUBJECT_FAILED',
        message: expect.stringMatching(/code 3[\s\S]*broken/),
      }),
    );
  });

  it('runAll fails for a program that does not exist', async () => {
    await expect(runAll([{ file: '/nonexistent/program', args: [] }])).rejects.toThrow(
      '/nonexistent/program',
    );
  });
});

describe('anonymousBytes', () => {
  it('anonymousBytes counts the memory that a process filled itself', () => {
    const before = anonymousBytes(process.pid);
    const filled = Buffer.alloc(64e6, 1);
    expect(anonymousBytes(process.pid) - before).toBeGreaterThan(32e6);
    expect(filled.length).toBe(64e6);
  });
});

describe('a tree of processes', () => {
  it('a process tree’s CPU time is known where the kernel’s ticks of 10 ms are all zero', async () => {
    const child = spawn('cat', { stdio: ['pipe', 'pipe', 'inherit'] });
    try {
      child.stdin.write('started');
      await once(child.stdout, 'data');
      const first = processorMsOfTree(child.pid ?? 0);
      expect(first).toBeGreaterThan(0);
      expect(first % 10).not.toBe(0);
      child.stdin.write('again');
      await once(child.stdout, 'data');
      expect(processorMsOfTree(child.pid ?? 0)).toBeGreaterThan(first);
    } finally {
      child.kill();
    }
  });

  it('a process tree includes the CPU time of exited children, and the memory of running ones', async () => {
    // Loops by CPU time: on a busy machine a process gets less CPU time than wall-clock time.
    const busy = 'while (process.cpuUsage().user < 300_000);';
    const held = 'const b = Buffer.alloc(64e6, 1); setInterval(() => b.length, 1000); console.log("held")';
    const parent = `
      const { spawn, spawnSync } = require('node:child_process');
      spawnSync(process.execPath, ['--eval', ${JSON.stringify(busy)}]);
      spawn(process.execPath, ['--eval', ${JSON.stringify(held)}], { stdio: 'inherit' });`;
    const child = spawn(process.execPath, ['--eval', parent], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    try {
      await once(child.stdout, 'data');
      const { pid = 0 } = child;
      expect(processorMsOfTree(pid)).toBeGreaterThanOrEqual(250);
      expect(anonymousBytesOfTree(pid) - anonymousBytes(pid)).toBeGreaterThan(32e6);
    } finally {
      process.kill(-(child.pid ?? 0), 'SIGKILL');
    }
  });
});
