export { describeUnpacked, requireUnpackers, skopeoCopy, umociUnpack } from './unpackers.ts';
