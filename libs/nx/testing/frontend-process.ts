// A BuildKit frontend, as specified by a `# syntax=` line. It makes the builder's own frontend build the Dockerfile,
// with its own options and those in ADDED (`label:a=b`, one per line), and returns the result.
// https://github.com/moby/buildkit/blob/v0.13.2/frontend/gateway/pb/gateway.proto
import { connect } from 'node:http2';
import { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';

const SERVICE = '/moby.buildkit.v1.frontend.LLBBridge/';
const OPTION = /^BUILDKIT_FRONTEND_OPT_\d+$/;

// The builder serves gRPC on the container's stdin and stdout.
const session = connect('http://builder', {
  createConnection: () => Duplex.from({ readable: process.stdin, writable: process.stdout }),
});

/** One gRPC call with one message in each direction. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */
async function call(method: string, message: Buffer): Promise<Buffer> {
  const stream = session.request({
    ':method': 'POST',
    ':path': `${SERVICE}${method}`,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  const trailers = new Promise<NodeJS.Dict<string | string[]>>((resolve) => {
    stream.once('response', (headers) => {
      if (headers['grpc-status'] !== undefined) resolve(headers as NodeJS.Dict<string>);
    });
    stream.once('trailers', (headers) => resolve(headers as NodeJS.Dict<string>));
  });
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([prefix, message]));
  const answer = await buffer(stream);
  const { 'grpc-status': status, 'grpc-message': words } = await trailers;
  if (status !== '0') throw new Error(`${method}: ${status} ${words}`);
  return answer.subarray(5);
}

/** A bytes field of a message. https://protobuf.dev/programming-guides/encoding/ */
function field(number: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  return value < 128
    ? Buffer.from([value])
    : Buffer.concat([Buffer.from([(value & 127) | 128]), varint(value >>> 7)]);
}

/** The content of a field in a message that consists only of bytes fields. */
function fieldOf(message: Buffer, wanted: number): Buffer {
  let at = 0;
  const next = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = message.readUInt8(at++);
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const [tag, length] = [next(), next()];
    if (tag === ((wanted << 3) | 2)) return message.subarray(at, at + length);
    at += length;
  }
  return Buffer.alloc(0);
}

const given = Object.entries(process.env).flatMap(([name, value = '']) => (OPTION.test(name) ? value : []));
const added = process.env.ADDED === undefined ? [] : process.env.ADDED.split('\n');
const options = [...given, ...added].map((option) => {
  const equals = option.indexOf('=');
  return field(3, Buffer.concat([field(1, option.slice(0, equals)), field(2, option.slice(equals + 1))]));
});
// allow_result_return and allow_result_array_ref
const allowed = Buffer.from([(5 << 3) | 0, 1, (6 << 3) | 0, 1]);
const solve = Buffer.concat([field(2, 'dockerfile.v0'), ...options, allowed]);
const result = await call('Solve', solve).then(
  (solved) => field(1, fieldOf(solved, 3)),
  // google.rpc.Status: a code and a message.
  (error: Error) => field(2, Buffer.concat([Buffer.from([1 << 3, 2]), field(2, error.message)])),
);
await call('Return', result);
// Closing the connection before the process exits would count as a failure.
process.exit();
