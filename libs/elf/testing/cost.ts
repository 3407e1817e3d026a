import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type * as readers from '../src/index.ts';

/** The cost of one reading, in a separate process. */
interface Cost {
  /** The process's peak memory use, including Node's own. */
  readonly bytes: number;
  /** CPU time, so that other work on the machine doesn't count. */
  readonly milliseconds: number;
  /** The reader's result. */
  readonly value?: unknown;
  /** The code of the reader's error. */
  readonly error?: string;
}

/** Reads a file with one of the readers in a new process, and measures the cost. */
export async function costOf(
  file: Uint8Array,
  reader: {
    [Name in keyof typeof readers]: Name extends `read${string}` ? Name : never;
  }[keyof typeof readers],
): Promise<Cost> {
  const folder = await mkdtemp(join(tmpdir(), 'elf-'));
  try {
    const [path, result] = [join(folder, 'file'), join(folder, 'result')];
    await writeFile(path, file);
    const script = `
      import { writeFileSync } from 'node:fs';
      import { ${reader}, withFileSource } from ${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)};
      const started = process.cpuUsage();
      const outcome = await withFileSource(${JSON.stringify(path)}, ${reader}).then(
        (value) => ({ value }),
        (error) => ({ error: error.code }),
      );
      const { user, system } = process.cpuUsage(started);
      const measured = { milliseconds: (user + system) / 1000, bytes: process.resourceUsage().maxRSS * 1024 };
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
