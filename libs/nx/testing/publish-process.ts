// Runs the docker-publish executor in its own process, and finally prints its memory usage:
// publish-process.ts ROOT OPTIONS-AS-JSON
import { readFileSync } from 'node:fs';
import dockerPublish from '../src/executors/docker-publish/executor.ts';

const [root = '', options = ''] = process.argv.slice(2);
const idle = process.memoryUsage.rss();
const { success } = await dockerPublish(JSON.parse(options), { root });
process.exitCode = success ? 0 : 1;
// In bytes. The kernel's maxrss would include the peak of the parent process.
const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
console.log(JSON.stringify({ idle, peak: Number(peak) * 1024 }));
