/** The texts of `/etc/passwd` and `/etc/group`; undefined where there is no such file, or one that was not read. */
export interface Accounts {
  readonly passwd: string | undefined;
  readonly group: string | undefined;
}

/** Numbers of a user and of its group. */
export interface AccountOwner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Looks a user up by name, as BuildKit does; undefined where the list has none.
 * https://man7.org/linux/man-pages/man5/passwd.5.html
 */
export function findUser({ passwd }: Accounts, name: string): AccountOwner | undefined {
  const [, , uid, gid] = lineOf(passwd, name) ?? [];
  return isId(uid) && isId(gid) ? { uid: Number(uid), gid: Number(gid) } : undefined;
}

/** Looks the number of a group up by name; undefined where the list has none. */
export function findGroup({ group }: Accounts, name: string): number | undefined {
  const [, , gid] = lineOf(group, name) ?? [];
  return isId(gid) ? Number(gid) : undefined;
}

function lineOf(list: string | undefined, name: string): readonly string[] | undefined {
  return list === undefined ? undefined : accountLines(list).find(([first]) => first === name);
}

/** The lines of such a list as their fields, of which the first is the name. */
export function accountLines(list: string): readonly (readonly string[])[] {
  return list.split('\n').map((line) => line.trim().split(':'));
}

function isId(text: string | undefined): text is string {
  return text !== undefined && /^\d{1,10}$/.test(text) && Number(text) < 2 ** 31;
}
