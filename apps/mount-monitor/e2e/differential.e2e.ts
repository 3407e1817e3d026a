import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import {
  type ConfigRow,
  configRows,
  flagRows,
  initRows,
  type Outcome,
  renamedMessages,
  requestRows,
  sharedInitMessages,
  sharedMessages,
} from '../testing/go-program.ts';
import { MonitorProcess, type RunResult, runMonitor, Scratch } from '../testing/monitor-process.ts';

const executable = inject('executable');
const migration = readFileSync(new URL('../../../docs/migration.md', import.meta.url), 'utf8');
const scratch = new Scratch();
const healthy = scratch.mount('m');
const timing = { checkInterval: '1s', readTimeout: '900ms' };
/** Another server occupies the port, so that a monitor that accepts its configuration exits. */
const taken = createServer();
let monitor: MonitorProcess;
let files = 0;

beforeAll(async () => {
  await new Promise<void>((resolve) => taken.listen(0, resolve));
  scratch.write('cwd/config.json', JSON.stringify({ mounts: [{ path: healthy }] }));
  monitor = await MonitorProcess.start(executable, scratch, {
    ...timing,
    logLevel: 'debug',
    failureThreshold: 1000,
    mounts: [{ path: healthy }],
  });
  await monitor.untilStatus('healthy');
});

afterAll(async () => {
  await monitor[Symbol.asyncDispose]();
  taken.close();
  scratch[Symbol.dispose]();
});

function write({ config }: ConfigRow): string {
  files += 1;
  const text =
    typeof config === 'string'
      ? config
      : JSON.stringify({ mounts: [{ path: healthy }], ...(config as object) });
  return scratch.write(`config-${files}.json`, text);
}

function outcomeOf({ code, stdout, stderr }: RunResult): Outcome {
  if (code === 2) return 'usage';
  if (stdout.includes('usage: mount-monitor')) return 'help';
  if (code === 1 && stderr.startsWith('configuration error: ')) return 'refused';
  // It got as far as binding its address, or found nothing wrong.
  expect(code === 0 || stderr.includes('http server failed to start'), stderr).toBe(true);
  return 'accepted';
}

/** A difference must be documented where people look for it; anything that is the same must not be. */
function expectDocumented({ go, ours, see }: { go: unknown; ours: unknown; see?: string }): void {
  if (go === ours) expect(see).toBeUndefined();
  else expect(migration).toContain(see ?? 'a line in docs/migration.md');
}

/** The first line of each message has at least these fields, and docs/migration.md promises them. */
function expectFields(
  lines: readonly { readonly msg: string }[],
  wanted: Readonly<Record<string, readonly string[]>>,
): void {
  for (const [message, fields] of Object.entries(wanted)) {
    const found = Object.keys(lines.find(({ msg }) => msg === message) ?? {});
    expect(found, message).toEqual(expect.arrayContaining(['time', 'level', 'msg', ...fields]));
    expect(migration).toContain(`\`${message}\``);
  }
}

describe('configurations, compared with the Go program', () => {
  it.each(configRows)('a configuration with $title is $ours, and by the Go program $go', (row) => {
    const port = (taken.address() as { port: number }).port;
    const mode = row.used === true ? ['--http-port', String(port)] : ['--validate'];
    expect(outcomeOf(runMonitor(executable, ['--config', write(row), ...mode]))).toBe(row.ours);
    expectDocumented(row);
  });
});

describe('init container mode, compared with the Go program', () => {
  it.each(initRows)('in init container mode, $title is $ours, and by the Go program $go', (row) => {
    expect(outcomeOf(runMonitor(executable, ['--config', write(row), '--init-container-mode']))).toBe(
      row.ours,
    );
    expectDocumented(row);
  });
});

describe('command lines, compared with the Go program', () => {
  it.each(flagRows)('the command line $flags is $ours, and by the Go program $go', (row) => {
    const cwd = join(scratch.path, 'cwd');
    expect(outcomeOf(runMonitor(executable, ['--validate', ...row.flags], { cwd }))).toBe(row.ours);
    expectDocumented(row);
  });
});

describe('environment, compared with the Go program', () => {
  it.each([
    ['LOG_LEVEL', 'trace'],
    ['HTTP_PORT', '99999'],
    ['CONFIG', '/nowhere'],
    ['POD_NAME', ''],
    ['KUBERNETES_SERVICE_HOST', ''],
  ])('%s=%j does not affect what is accepted, as in the Go program', (name, value) => {
    const cwd = join(scratch.path, 'cwd');
    expect(outcomeOf(runMonitor(executable, ['--validate'], { cwd, env: { [name]: value } }))).toBe(
      'accepted',
    );
  });
});

describe('requests, compared with the Go program', () => {
  it.each(requestRows)('$method $target is answered with $ours, by the Go program with $go', async (row) => {
    expect((await monitor.request(row.method, row.target)).status).toBe(row.ours);
    expectDocumented(row);
  });
});

describe('log, compared with the Go program', () => {
  it('uses the same wording for messages that log queries look for', async () => {
    using own = new Scratch();
    await using watched = await MonitorProcess.start(executable, own, {
      ...timing,
      logLevel: 'debug',
      mounts: [
        { path: own.mount('good'), name: 'good' },
        { path: join(own.path, 'bad'), name: 'bad' },
      ],
    });
    await watched.untilStatus('healthy', 0);
    await watched.untilStatus('degraded', 1);
    await watched.get('/healthz/ready');
    watched.signal('SIGTERM');
    await watched.exited;
    const lines = watched.log();
    expectFields(lines, sharedMessages);
    const line = (msg: string) => lines.find((candidate) => candidate.msg === msg);
    expect(line('mount registered')).toMatchObject({
      level: 'info',
      check_type: 'canary',
      failureThreshold: 3,
      canary: join(own.path, 'good', '.health-check'),
    });
    expect(line('received shutdown signal')).toMatchObject({ signal: 'terminated' });
    expect(line('starting mount monitor')).toMatchObject({
      canary_file: '.health-check',
      watchdog_enabled: false,
      watchdog_restart_delay: '0s',
    });
    expect(
      lines.find(({ msg, endpoint }) => msg === 'probe request' && endpoint === '/healthz/ready'),
    ).toMatchObject({
      level: 'info',
      status: 503,
      result: 'not_ready',
    });
  });

  it('uses the same wording in init container mode', () => {
    using own = new Scratch();
    const mounts = [
      { path: own.mount('good'), name: 'good' },
      { path: join(own.path, 'bad'), name: 'bad' },
    ];
    const config = own.write('init.json', JSON.stringify({ mounts }));
    const { stdout, stderr } = runMonitor(executable, ['--init-container-mode', '--config', config]);
    const lines = `${stdout}${stderr}`.trimEnd().split('\n');
    expectFields(
      lines.map((line) => JSON.parse(line) as { readonly msg: string }),
      sharedInitMessages,
    );
  });

  it.each(Object.entries(renamedMessages))('the documentation maps “%s” to “%s”', (theirs, ours) => {
    const line = migration.split('\n').find((candidate) => candidate.includes(`\`${theirs}\``));
    expect(line).toContain(`\`${ours}\``);
  });
});
