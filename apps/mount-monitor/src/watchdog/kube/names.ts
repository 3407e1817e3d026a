declare const brand: unique symbol;

/** A pod's name that is not empty and cannot escape its path segment. */
export type PodName = string & { readonly [brand]: 'pod name' };
/** A namespace's name with the same guarantees. */
export type Namespace = string & { readonly [brand]: 'namespace' };
/** A ConfigMap's name with the same guarantees. */
export type ConfigMapName = string & { readonly [brand]: 'ConfigMap name' };
/** Distinguishes a pod from a successor with the same name; never empty. */
export type PodUid = string & { readonly [brand]: 'pod uid' };

const label = '[a-z0-9](?:[-a-z0-9]*[a-z0-9])?';
const subdomain = new RegExp(`^${label}(?:\\.${label})*$`);
const dnsLabel = new RegExp(`^${label}$`);

/** The rule of {@link parsePodName}, for messages. */
export const podNameRule =
  'lower-case letters, digits, "-" and "." (RFC 1123 subdomain), 1 to 253 characters';

/**
 * Accepts RFC 1123 subdomains, like the API server
 * (https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names); undefined for
 * anything else.
 */
export function parsePodName(text: string): PodName | undefined {
  return isSubdomain(text) ? (text as PodName) : undefined;
}

/** Accepts an RFC 1123 label; undefined for anything else. */
export function parseNamespace(text: string): Namespace | undefined {
  return text.length <= 63 && dnsLabel.test(text) ? (text as Namespace) : undefined;
}

/** Accepts an RFC 1123 subdomain; undefined for anything else. */
export function parseConfigMapName(text: string): ConfigMapName | undefined {
  return isSubdomain(text) ? (text as ConfigMapName) : undefined;
}

/** Accepts any text of 1 to 128 printable characters; undefined for anything else. */
export function parsePodUid(value: unknown): PodUid | undefined {
  return typeof value === 'string' && /^[\x21-\x7e]{1,128}$/.test(value) ? (value as PodUid) : undefined;
}

function isSubdomain(text: string): boolean {
  return text.length <= 253 && subdomain.test(text);
}
