/** The texts of `/etc/passwd` and `/etc/group`; undefined if the file doesn't exist or wasn't read. */
export interface Accounts {
  readonly passwd: string | undefined;
  readonly group: string | undefined;
}

/** The numeric IDs of a user and its group. */
export interface AccountOwner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Looks up a user by name, as BuildKit does; undefined if there is none.
 * https://man7.org/linux/man-pages/man5/passwd.5.html
 */
export function findUser({ passwd }: Accounts, name: string): AccountOwner | undefined {
  const [, , uid, gid] = lineOf(passwd, name) ?? [];
  return isId(uid) && isId(gid) ? { uid: Number(uid), gid: Number(gid) } : undefined;
}

/** Looks up a group's ID by name; undefined if there is none. */
export function findGroup({ group }: Accounts, name: string): number | undefined {
  const [, , gid] = lineOf(group, name) ?? [];
  return isId(gid) ? Number(gid) : undefined;
}

function lineOf(list: string | undefined, name: string): readonly string[] | undefined {
  return list === undefined ? undefined : accountLines(list).find(([first]) => first === name);
}

/** The lines of a user or group list, split into fields. The first field is the name. */
export function accountLines(list: string): readonly (readonly string[])[] {
  return list.split('\n').map((line) => line.trim().split(':'));
}

function isId(text: string | undefined): text is string {
  return text !== undefined && /^\d{1,10}$/.test(text) && Number(text) < 2 ** 31;
}
