import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultBudgetConfigMap } from './environment.ts';
import { exitModeCode, restartOutcomes, watchdogStates } from './machine-types.ts';

const page = await readFile(join(import.meta.dirname, '../../../../docs/watchdog.md'), 'utf8');

describe('docs/watchdog.md', () => {
  it.each([
    ['states', '## States and outcomes', watchdogStates],
    ['outcomes', '`mount_monitor_restarts_total{outcome}`:', restartOutcomes],
  ])('docs/watchdog.md lists all %s in order', (_, heading, names) => {
    const table = page
      .slice(page.indexOf(heading))
      .split('\n\n')
      .find((block) => block.startsWith('| '));
    const rows = table?.split('\n').slice(2) ?? [];
    expect(rows.map((row) => /^\| `(\w+)` \|/.exec(row)?.[1])).toEqual(names);
  });

  it('docs/watchdog.md has the program’s exit code and ConfigMap', () => {
    expect(page).toContain(`process with code ${exitModeCode},`);
    expect(page).toContain(`values: [${exitModeCode}]`);
    expect(page).toContain(`\`${defaultBudgetConfigMap}\``);
  });
});
