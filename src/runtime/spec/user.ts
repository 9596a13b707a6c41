import { errnoOf, GantryError } from '../../api/errors.ts';
import { readFileInRoot } from '../../linux/in-root.ts';
import type { OciUser } from './types.ts';

interface PasswdEntry {
  name: string;
  uid: number;
  gid: number;
}

interface GroupEntry {
  name: string;
  gid: number;
  members: string[];
}

const MAX_ID = 2 ** 31 - 1;

/**
 * Who a process runs as, for "user", "uid", "user:group", "uid:gid" or '' (root), looked up in the image's own
 * /etc/passwd and /etc/group. A number needs no entry; a name does. Throws system ("unable to find user ...") as the
 * failure is one of starting.
 */
export function lookupUser(rootfs: string, spec: string, groupAdd: readonly string[] = []): OciUser {
  // The common case of a root process with no groups of its own still reads both files: root may be in groups.
  return resolveUser(spec, groupAdd, {
    passwd: parsePasswd(contentOf(rootfs, '/etc/passwd')),
    group: parseGroup(contentOf(rootfs, '/etc/group')),
  });
}

/** As lookupUser, on tables already read. */
export function resolveUser(
  spec: string,
  groupAdd: readonly string[],
  tables: { passwd: PasswdEntry[]; group: GroupEntry[] },
): OciUser {
  const colon = spec.indexOf(':');
  const userPart = colon < 0 ? spec : spec.slice(0, colon);
  const groupPart = colon < 0 ? '' : spec.slice(colon + 1);

  const user = findUser(userPart, tables.passwd);
  let { gid } = user;
  let supplementary: number[] = [];
  if (groupPart !== '') gid = findGroup(groupPart, tables.group);
  else if (user.name !== '') {
    supplementary = tables.group.filter((group) => group.members.includes(user.name)).map((group) => group.gid);
  }
  const added = groupAdd.map((name) => additionalGroup(name, tables.group));
  return { uid: user.uid, gid, additionalGids: [...new Set([gid, ...supplementary, ...added])] };
}

function findUser(wanted: string, passwd: PasswdEntry[]): PasswdEntry {
  const entry = passwd.find((user) =>
    wanted === '' ? user.uid === 0 : user.name === wanted || String(user.uid) === wanted,
  );
  if (entry !== undefined) return entry;
  if (wanted === '') return { name: '', uid: 0, gid: 0 };
  const uid = numericId(wanted);
  if (uid === null) {
    throw new GantryError('system', `unable to find user ${wanted}: no matching entries in passwd file`);
  }
  return { name: '', uid, gid: 0 };
}

function findGroup(wanted: string, groups: GroupEntry[]): number {
  const entry = groups.find((group) => group.name === wanted || String(group.gid) === wanted);
  const gid = entry?.gid ?? numericId(wanted);
  if (gid === null) {
    throw new GantryError('system', `unable to find group ${wanted}: no matching entries in group file`);
  }
  return gid;
}

function additionalGroup(wanted: string, groups: GroupEntry[]): number {
  const entry = groups.find((group) => group.name === wanted || String(group.gid) === wanted);
  const gid = entry?.gid ?? numericId(wanted);
  if (gid === null) throw new GantryError('system', `Unable to find group ${wanted}`);
  return gid;
}

function numericId(text: string): number | null {
  if (!/^-?\d+$/.test(text)) return null;
  const id = Number(text);
  if (id < 0 || id > MAX_ID) throw new GantryError('system', `uids and gids must be in range 0-${MAX_ID}`);
  return id;
}

/** Lines of passwd(5); those that are not of its form are passed over. */
export function parsePasswd(text: string): PasswdEntry[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', , uid = '', gid = ''] = line.trim().split(':');
    return /^\d+$/.test(uid) ? [{ name, uid: Number(uid), gid: /^\d+$/.test(gid) ? Number(gid) : 0 }] : [];
  });
}

/** Lines of group(5). */
export function parseGroup(text: string): GroupEntry[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', , gid = '', members = ''] = line.trim().split(':');
    if (!/^\d+$/.test(gid)) return [];
    return [{ name, gid: Number(gid), members: members.split(',').filter((member) => member !== '') }];
  });
}

/** '' for an image that has no such file. */
function contentOf(rootfs: string, path: string): string {
  try {
    return readFileInRoot(rootfs, path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'EINVAL'].includes(errnoOf(error) ?? '')) return '';
    throw error;
  }
}
