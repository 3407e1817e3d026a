import { describe, expect, it } from 'vitest';
import { anonymousBytes, runAll } from './process.ts';

const node = (program: string) => ({ file: process.execPath, args: ['--eval', program] });

describe('runAll', () => {
  it('counts the memory of a child’s own children', async () => {
    const held = 'const b = Buffer.alloc(2e8, 1); setTimeout(() => b.length, 500)';
    const { peakBytes } = await runAll([
      node(`require('node:child_process').spawn(process.execPath, ['--eval', ${JSON.stringify(held)}])`),
    ]);
    expect(peakBytes).toBeGreaterThan(2e8);
  });

  it('fails with what a command wrote where one of several fails', async () => {
    await expect(runAll([node(''), node('console.error("broken"); process.exitCode = 3')])).rejects.toThrow(
      expect.objectContaining({
        code: 'SUBJECT_FAILED',
        message: expect.stringMatching(/code 3[\s\S]*broken/),
      }),
    );
  });

  it('fails for a program that is not there', async () => {
    await expect(runAll([{ file: '/nonexistent/program', args: [] }])).rejects.toThrow(
      '/nonexistent/program',
    );
  });
});

describe('anonymousBytes', () => {
  it('is the memory that a process filled itself', () => {
    const before = anonymousBytes(process.pid);
    const filled = Buffer.alloc(64e6, 1);
    expect(anonymousBytes(process.pid) - before).toBeGreaterThan(32e6);
    expect(filled.length).toBe(64e6);
  });
});
