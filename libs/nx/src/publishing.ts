// What other publishers of this workspace share with docker-publish; no part of the published package.
export { connect } from './executors/docker-publish/connect.ts';
export { signImage, signingFacts } from './executors/docker-publish/sign.ts';
