import { type Command, parseArguments, usage } from './arguments.ts';
import { ConfigError } from './config/errors.ts';
import { version } from './version.ts';

/** Runs the command given on the command line. Every command except the monitor itself ends the process. */
export async function run(args: readonly string[]): Promise<void> {
  try {
    const code = await perform(parseArguments(args));
    if (code !== undefined) process.exitCode = code;
  } catch (error) {
    process.exitCode = report(error);
  }
}

async function perform(command: Command): Promise<number | undefined> {
  switch (command.kind) {
    case 'help':
      process.stdout.write(usage);
      return 0;
    case 'version':
      console.log(`mount-monitor ${version}`);
      return 0;
    case 'validate': {
      const { validate } = await import('./validate.ts');
      return validate(command.options);
    }
    case 'check': {
      const { checkAndReport } = await import('./check.ts');
      return checkAndReport(command.options, command.asJson);
    }
    case 'init': {
      const { checkOnce } = await import('./init.ts');
      return checkOnce(command.options);
    }
    case 'monitor': {
      const { startSidecar } = await import('./sidecar.ts');
      return startSidecar(command.options);
    }
  }
}

function report(error: unknown): number {
  if (!(error instanceof ConfigError)) throw error;
  if (error.code === 'usage') {
    process.stderr.write(`mount-monitor: ${error.message}\n`);
    return 2;
  }
  process.stderr.write(`configuration error: ${error.message}\n`);
  return 1;
}
