import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type * as readers from '../index.ts';

/** What one reading in a process of its own came to. */
interface Reading {
  /** The most memory that the process had, Node's own included. */
  readonly bytes: number;
  readonly milliseconds: number;
  /** What the reader gave. */
  readonly value?: unknown;
  /** The code of its error. */
  readonly error?: string;
}

/** Reads a file with one of the readers in a new process, and measures it. */
export async function peakMemory(
  file: Uint8Array,
  reader: {
    [Name in keyof typeof readers]: Name extends `read${string}` ? Name : never;
  }[keyof typeof readers],
): Promise<Reading> {
  const folder = await mkdtemp(join(tmpdir(), 'elf-'));
  try {
    const [path, result] = [join(folder, 'file'), join(folder, 'result')];
    await writeFile(path, file);
    const script = `
      import { writeFileSync } from 'node:fs';
      import { ${reader}, withFileSource } from ${JSON.stringify(new URL('../index.ts', import.meta.url).href)};
      const started = performance.now();
      const outcome = await withFileSource(${JSON.stringify(path)}, ${reader}).then(
        (value) => ({ value }),
        (error) => ({ error: error.code }),
      );
      const measured = { milliseconds: performance.now() - started, bytes: process.resourceUsage().maxRSS * 1024 };
      writeFileSync(${JSON.stringify(result)}, JSON.stringify({ ...measured, ...outcome }));
    `;
    await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
      timeout: 50_000,
    });
    return JSON.parse(await readFile(result, 'utf8'));
  } finally {
    await rm(folder, { recursive: true });
  }
}
