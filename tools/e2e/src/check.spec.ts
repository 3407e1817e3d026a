import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../../..');
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const PROGRAMS = ['biome', 'knip', 'node', 'npm', 'nx', 'tsc'];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'check-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs a script of package.json with stand-ins for its programs. The commands that ran, and the exit code. */
function run(script: string, failing: readonly string[]): { readonly ran: readonly string[]; code: unknown } {
  for (const name of PROGRAMS) {
    const text = `#!/bin/sh\necho "${name} $*"\nexit ${failing.includes(name) ? 3 : 0}\n`;
    writeFileSync(join(folder, name), text, { mode: 0o755 });
  }
  const env = { PATH: `${folder}${delimiter}/usr/bin${delimiter}/bin` };
  const { stdout, status } = spawnSync('/bin/sh', ['-c', scripts[script]], { env, encoding: 'utf8' });
  return { ran: stdout.trim().split('\n'), code: status };
}

describe('npm run check', () => {
  it.each([
    ['check', ['npm']],
    ['check:sources', ['biome', 'node', 'npm', 'knip']],
  ])('%s reports every failure, not only the first', (script, programs) => {
    const all = run(script, []);
    expect(all.code).toBe(0);
    expect(new Set(all.ran.map((line) => line.split(' ')[0]))).toEqual(new Set(programs));
    for (const name of programs) expect(run(script, [name])).toEqual({ ran: all.ran, code: 1 });
  });

  it('npm run spell says where a correct word goes', () => {
    const args = ['run', '--silent', 'spell', '--', 'stdin'];
    const { stdout, status } = spawnSync('npm', args, { cwd: ROOT, input: 'xyzzyq', encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stdout).toContain('unknown word xyzzyq: correct it, or add it to cspell-words.txt');
  });
});
