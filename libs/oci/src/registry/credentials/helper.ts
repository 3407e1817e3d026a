import { OciError } from '../../errors.ts';
import type { Credentials, RunHelper } from './credentials.ts';

const HELPER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
// The user name that helpers return with a token instead of a password.
const TOKEN_USER = '<token>';

/**
 * Asks a credential helper for a host's credentials; undefined if it has none. Throws `CREDENTIALS`, without quoting
 * the answer.
 * https://github.com/docker/docker-credential-helpers#development
 */
export async function askHelper(
  path: string,
  helper: string,
  host: string,
  runHelper: RunHelper,
): Promise<Credentials | undefined> {
  if (!HELPER_NAME.test(helper)) {
    throw new OciError(
      'CREDENTIALS',
      `${path}: ${JSON.stringify(helper)} is not the name of a credential helper`,
    );
  }
  const answer = await runHelper(helper, host);
  // The protocol's answer for an unknown host.
  if (/credentials not found/i.test(answer)) return undefined;
  try {
    const { Username: username, Secret: secret } = JSON.parse(answer);
    if (typeof username !== 'string' || typeof secret !== 'string') throw new TypeError('not strings');
    if (secret === '') return undefined;
    return username === TOKEN_USER
      ? { kind: 'identity', token: secret }
      : { kind: 'basic', username, password: secret };
  } catch {
    throw new OciError(
      'CREDENTIALS',
      `docker-credential-${helper}: expected JSON with Username and Secret for ${host}`,
    );
  }
}
