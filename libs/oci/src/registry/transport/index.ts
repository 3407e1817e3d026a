export { type Address, addressOf, addressText, parseAddress, redactUrl, withParameter } from './address.ts';
export { connectionFailure, TransientFailure } from './failures.ts';
export type { Operation } from './operation.ts';
export { statusFailure } from './refusals.ts';
export { discard, mediaTypeOf, type OpenResponse, readBounded } from './response.ts';
export {
  createTransport,
  type RegistryRequest,
  type Transport,
} from './transport.ts';
