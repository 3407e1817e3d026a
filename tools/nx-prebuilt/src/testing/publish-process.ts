// Runs the docker-publish executor in a process of its own: publish-process.ts ROOT OPTIONS-AS-JSON
import dockerPublish from '../executors/docker-publish/executor.ts';

const [root = '', options = ''] = process.argv.slice(2);
const { success } = await dockerPublish(JSON.parse(options), { root });
process.exitCode = success ? 0 : 1;
