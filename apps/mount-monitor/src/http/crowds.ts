/**
 * Groups members by their address, and addresses by the network of one owner: an IPv6 host has a whole /64 available
 * (https://www.rfc-editor.org/rfc/rfc4291#section-2.5.4), so it could otherwise appear under any number of addresses.
 */
export class Crowds<Member extends { readonly address: string }> {
  readonly #networks = new Map<string, Map<string, Set<Member>>>();
  readonly #sizes = new Map<string, number>();

  add(member: Member): void {
    const network = networkOf(member.address);
    const addresses = this.#networks.get(network) ?? new Map<string, Set<Member>>();
    this.#networks.set(network, addresses);
    const own = addresses.get(member.address) ?? new Set();
    addresses.set(member.address, own);
    if (own.has(member)) return;
    own.add(member);
    this.#sizes.set(network, (this.#sizes.get(network) ?? 0) + 1);
  }

  remove(member: Member): void {
    const network = networkOf(member.address);
    const addresses = this.#networks.get(network);
    const own = addresses?.get(member.address);
    if (own?.delete(member) !== true) return;
    if (own.size === 0) addresses?.delete(member.address);
    const size = (this.#sizes.get(network) ?? 0) - 1;
    this.#sizes.set(network, size);
    if (size > 0) return;
    this.#sizes.delete(network);
    this.#networks.delete(network);
  }

  /** Moves a member behind all others of its address. */
  touch(member: Member): void {
    const own = this.#networks.get(networkOf(member.address))?.get(member.address);
    if (own?.delete(member) === true) own.add(member);
  }

  /**
   * Picks the network with the most members, then its address with the most, and returns those in the order they were
   * added.
   */
  largest(): Iterable<Member> {
    let network = '';
    let most = 0;
    for (const [name, size] of this.#sizes) {
      if (size > most) [network, most] = [name, size];
    }
    let largest: ReadonlySet<Member> = new Set();
    for (const own of this.#networks.get(network)?.values() ?? []) {
      if (own.size > largest.size) largest = own;
    }
    return largest;
  }
}

/** The first half of an IPv6 address. An IPv4 address, also in IPv6 form, is its own network. */
export function networkOf(address: string): string {
  if (!address.includes(':') || address.includes('.')) return address;
  const [before = '', after] = address.split('::');
  const head = before === '' ? [] : before.split(':');
  const tail = after === undefined || after === '' ? [] : after.split(':');
  const missing = after === undefined ? 0 : Math.max(0, 8 - head.length - tail.length);
  const groups = [...head, ...Array.from({ length: missing }, () => '0'), ...tail];
  return `${groups.slice(0, 4).join(':')}::/64`;
}
