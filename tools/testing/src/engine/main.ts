import { type EngineCommand, HELP, type OutputFormat, parseArguments } from './arguments.ts';
import { type EngineStatus, inspectEngine, startEngine, stopEngine } from './engine.ts';
import { type EngineEnvironment, layoutFrom, shellExports } from './environment.ts';
import { EngineError } from './errors.ts';
import type { EngineLayout } from './layout.ts';

const STATUS_EXIT_CODES = { up: 0, down: 3, broken: 4 } as const;

// Progress goes to stderr: stdout has only the requested output, so that a shell can evaluate it.
const say = (line: string) => process.stderr.write(`${line}\n`);
const print = (text: string) => process.stdout.write(`${text}\n`);

async function run(command: EngineCommand): Promise<number> {
  const layout = layoutFrom(process.env);
  switch (command.kind) {
    case 'help':
      print(HELP);
      return 0;
    case 'up':
      print(formatEnvironment(layout, await startEngine(layout, command, process.env, say), command.format));
      return 0;
    case 'down':
      await stopEngine(layout, command.purge, say);
      return 0;
    case 'status': {
      const status = await inspectEngine(layout, process.env);
      print(formatStatus(layout, status, command.format));
      return STATUS_EXIT_CODES[status.state];
    }
  }
}

function formatEnvironment(
  layout: EngineLayout,
  environment: EngineEnvironment,
  format: OutputFormat,
): string {
  if (format === 'json') return JSON.stringify(environment, undefined, 2);
  return shellExports(layout, environment);
}

function formatStatus(layout: EngineLayout, status: EngineStatus, format: OutputFormat): string {
  if (format === 'json') return JSON.stringify(status, undefined, 2);
  if (format === 'env')
    return status.environment === undefined ? '' : shellExports(layout, status.environment);
  const lines = status.parts.map(({ name, found, ok }) => `  ${ok ? 'ok' : 'NO'}  ${name}: ${found}`);
  return [`engine: ${status.state}`, ...lines].join('\n');
}

try {
  process.exitCode = await run(parseArguments(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof EngineError)) throw error;
  say(`engine: ${error.code}: ${error.message}`);
  if (error.hint !== undefined) say(`  ${error.hint}`);
  process.exitCode = error.code === 'INVALID_ARGUMENTS' ? 2 : 1;
}
