import { runProbe } from './probe/probe.ts';
import { version } from './version.ts';

// The probe runs for every check, and scripts call --version: neither may load the rest.
const [first, second, ...others] = process.argv.slice(2);
if (first === 'probe' && second === undefined) {
  process.exitCode = runProbe();
} else if (first === 'probe' && second !== undefined) {
  const [source = second, optional] = others;
  import('./config/file-reader.ts').then(({ runFileReader }) =>
    runFileReader(second, source, optional === 'true'),
  );
} else if (first === '--version' && second === undefined) {
  console.log(`mount-monitor ${version}`);
} else {
  import('./run.ts').then(({ run }) => run(process.argv.slice(2)));
}
