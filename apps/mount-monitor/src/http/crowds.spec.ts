import { describe, expect, it } from 'vitest';
import { Crowds, networkOf } from './crowds.ts';

describe('networkOf', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
    ['2001:db8::6', '2001:db8:0:0::/64'],
    ['2001:db8:1:2:3::', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['', ''],
  ])('networkOf assigns %s to the network %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});

describe('Crowds', () => {
  const member = (address: string, name: number) => ({ address, name });

  it('Crowds lists only the members of the host that uses a separate address for each', () => {
    const crowds = new Crowds<{ address: string; name: number }>();
    crowds.add(member('2001:db8:a::1', 0));
    crowds.add(member('2001:db8:a::1', 1));
    for (let name = 2; name < 6; name += 1) crowds.add(member(`2001:db8:b::${name}`, name));
    const gone: number[] = [];
    for (let count = 0; count < 2; count += 1) {
      const [first] = crowds.largest();
      if (first === undefined) throw new Error('no member is left');
      gone.push(first.name);
      crowds.remove(first);
    }
    expect(gone).toEqual([2, 3]);
  });

  it('Crowds picks the address with the most members in a network shared by the pods of a node', () => {
    const crowds = new Crowds<{ address: string; name: number }>();
    crowds.add(member('fd00:10:244:1::1', 0));
    for (const name of [1, 2]) crowds.add(member('fd00:10:244:1::7', name));
    expect([...crowds.largest()].map(({ name }) => name)).toEqual([1, 2]);
  });

  it('Crowds lists a member that was touched last, and does not add one that has left', () => {
    const crowds = new Crowds<{ address: string; name: number }>();
    const members = [0, 1, 2].map((name) => member('10.0.0.1', name));
    for (const each of members) crowds.add(each);
    crowds.touch(members[0] as (typeof members)[0]);
    crowds.touch(member('10.0.0.1', 3));
    crowds.touch(member('10.0.0.2', 4));
    expect([...crowds.largest()].map(({ name }) => name)).toEqual([1, 2, 0]);
  });

  it('Crowds is empty again after all members have left', () => {
    const crowds = new Crowds<{ address: string; name: number }>();
    const only = member('10.0.0.1', 1);
    crowds.add(only);
    crowds.add(only);
    crowds.remove(only);
    crowds.remove(only);
    expect([...crowds.largest()]).toEqual([]);
  });
});
