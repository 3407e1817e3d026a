import { OciError, type OciErrorCode, type RegistryRefusal } from '../../errors.ts';
import { cleanText } from '../../outside-text.ts';
import { isTransientStatus, retryAfterMs } from '../retry.ts';
import { redactUrl } from './address.ts';
import { TransientFailure } from './failures.ts';
import type { Operation } from './operation.ts';
import { type OpenResponse, readBounded } from './response.ts';

const MAX_ERROR_BYTES = 64 * 1024;
const MAX_WORDS = 500;

const STATUS_CODES: Readonly<Record<number, OciErrorCode>> = {
  401: 'REGISTRY_UNAUTHORIZED',
  403: 'REGISTRY_UNAUTHORIZED',
  404: 'REGISTRY_NOT_FOUND',
};

const LOGIN_HINT =
  'Log in with docker login, or set REGISTRY_USERNAME and REGISTRY_PASSWORD; the user needs the right to push.';

/**
 * The error for an unexpected status: a transient failure may be retried; any other error contains the registry's
 * message. Reads the body.
 */
export async function statusFailure(
  operation: Operation,
  response: OpenResponse,
  now: number,
): Promise<TransientFailure | OciError> {
  const { status, headers } = response;
  const said = await readRefusal(operation, response);
  if (operation.signal.aborted) throw operation.signal.reason;
  const message = `${operation.name}: ${redactUrl(response.address.url)}: status ${status}${said.words === '' ? '' : `: ${said.words}`}`;
  // GitHub signals this with 403, without a header.
  const limited = status === 429 || (status === 403 && /rate limit/i.test(said.words));
  if (limited || isTransientStatus(status)) {
    return new TransientFailure(message, {
      askedMs: retryAfterMs(headers['retry-after'], now),
      hint: limited
        ? 'The registry limits the number of requests; it may allow more once you log in.'
        : undefined,
    });
  }
  const code = STATUS_CODES[status] ?? 'REGISTRY_REFUSED';
  return new OciError(code, message, { hint: hintOfStatus(status, said), refusal: said });
}

function hintOfStatus(status: number, said: RegistryRefusal): string | undefined {
  if (said.codes.includes('NAME_UNKNOWN'))
    return 'Some registries do not create repositories automatically: create it, or its project, first.';
  if (status === 401 || status === 403) return LOGIN_HINT;
  return status === 413
    ? 'Something in front of the registry limits the request size, such as client_max_body_size in nginx: raise it.'
    : undefined;
}

async function readRefusal(operation: Operation, response: OpenResponse): Promise<RegistryRefusal> {
  const body = await readBounded(operation, response, MAX_ERROR_BYTES).catch(() => Buffer.alloc(0));
  return { status: response.status, ...readErrors(body.toString('utf8')) };
}

/**
 * The codes and the message in an error body: the specification's format, that of token servers, or the title of a page
 * from something in front of the registry. Never throws.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes
 */
export function readErrors(text: string): Pick<RegistryRefusal, 'codes' | 'words'> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return { codes: [], words: wordsOf([/<title>([^<]{1,500})/i.exec(text)?.[1]]) };
  }
  const { errors, ...others } = recordOf(parsed);
  const list = (Array.isArray(errors) ? errors : []).slice(0, 20).map(recordOf);
  const said = list.map(({ code, message, detail }) => wordsOf([code, message, detailOf(detail)], ': '));
  if (said.length > 0) {
    const codes = list.flatMap(({ code }) => (typeof code === 'string' ? [cleanText(code)] : []));
    return { codes, words: wordsOf(said, '; ') };
  }
  const { error, error_description: description, message, details } = others;
  return { codes: [], words: wordsOf([error, description, message, details], ': ') };
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function detailOf(detail: unknown): unknown {
  if (typeof detail !== 'object' || detail === null) return detail;
  return Object.keys(detail).length === 0 ? undefined : JSON.stringify(detail);
}

function wordsOf(parts: readonly unknown[], joint = ''): string {
  const texts = parts.flatMap((part) => (typeof part === 'string' && part.trim() !== '' ? [part] : []));
  return cleanText(texts.join(joint)).slice(0, MAX_WORDS);
}
