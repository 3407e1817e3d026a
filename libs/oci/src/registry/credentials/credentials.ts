/**
 * What identifies a user to a registry: a name and password, an identity token to exchange for access tokens, or a
 * token that is sent as it is.
 */
export type Credentials =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | { readonly kind: 'identity'; readonly token: string }
  | { readonly kind: 'token'; readonly token: string };

/** Finds the credentials for a repository in a registry; undefined for anonymous access. */
export type CredentialSource = (registry: string, repository?: string) => Promise<Credentials | undefined>;

/** One place where credentials are stored. Throws `CREDENTIALS`; its messages never contain a secret. */
export type CredentialStore = CredentialSource;

/** Runs a credential helper (`docker-credential-<name> get`) with the host on stdin and returns its stdout. */
export type RunHelper = (helper: string, host: string) => Promise<string>;

/** Environment variables, by name. */
export type Environment = Readonly<Record<string, string | undefined>>;
