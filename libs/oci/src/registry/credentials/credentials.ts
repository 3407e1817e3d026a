/**
 * What a registry is told to know its user: a name and password, an identity token that buys access tokens, or a token
 * that is shown as it is.
 */
export type Credentials =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | { readonly kind: 'identity'; readonly token: string }
  | { readonly kind: 'token'; readonly token: string };

/** Finds the credentials for a repository of a registry; undefined where it is to be used anonymously. */
export type CredentialSource = (registry: string, repository?: string) => Promise<Credentials | undefined>;

/** One place where credentials are kept. Throws `CREDENTIALS`; its messages never hold a secret. */
export type CredentialStore = CredentialSource;

/** Runs a credential helper (`docker-credential-<name> get`) with the host on its stdin and gives its stdout. */
export type RunHelper = (helper: string, host: string) => Promise<string>;

export type Environment = Readonly<Record<string, string | undefined>>;
