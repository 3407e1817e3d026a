// Parts of docker-publish that other publishers in this workspace reuse; not part of the published package.
export { connect } from './executors/docker-publish/connect.ts';
export { signImage, signingFacts } from './executors/docker-publish/sign.ts';
