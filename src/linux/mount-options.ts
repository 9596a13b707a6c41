import {
  MS_BIND,
  MS_DIRSYNC,
  MS_MANDLOCK,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_RELATIME,
  MS_REMOUNT,
  MS_SHARED,
  MS_SLAVE,
  MS_STRICTATIME,
  MS_SYNCHRONOUS,
  MS_UNBINDABLE,
} from './mount.ts';

/** Flag of each word of mount(8), and whether the word takes it away. */
const FLAGS: Record<string, [flag: number, clear: boolean]> = {
  defaults: [0, false],
  ro: [MS_RDONLY, false],
  rw: [MS_RDONLY, true],
  nosuid: [MS_NOSUID, false],
  suid: [MS_NOSUID, true],
  nodev: [MS_NODEV, false],
  dev: [MS_NODEV, true],
  noexec: [MS_NOEXEC, false],
  exec: [MS_NOEXEC, true],
  sync: [MS_SYNCHRONOUS, false],
  async: [MS_SYNCHRONOUS, true],
  dirsync: [MS_DIRSYNC, false],
  remount: [MS_REMOUNT, false],
  mand: [MS_MANDLOCK, false],
  nomand: [MS_MANDLOCK, true],
  noatime: [MS_NOATIME, false],
  atime: [MS_NOATIME, true],
  nodiratime: [MS_NODIRATIME, false],
  diratime: [MS_NODIRATIME, true],
  relatime: [MS_RELATIME, false],
  norelatime: [MS_RELATIME, true],
  strictatime: [MS_STRICTATIME, false],
  nostrictatime: [MS_STRICTATIME, true],
  bind: [MS_BIND, false],
  rbind: [MS_BIND | MS_REC, false],
};

const PROPAGATION: Record<string, number> = {
  private: MS_PRIVATE,
  rprivate: MS_PRIVATE | MS_REC,
  shared: MS_SHARED,
  rshared: MS_SHARED | MS_REC,
  slave: MS_SLAVE,
  rslave: MS_SLAVE | MS_REC,
  unbindable: MS_UNBINDABLE,
  runbindable: MS_UNBINDABLE | MS_REC,
};

export interface MountOptions {
  flags: number;
  /** Propagation flags, each of which needs a mount(2) of its own once the file system is there. */
  propagation: number[];
  /** What the file system itself is told, comma separated; '' for nothing. */
  data: string;
}

/** Options in the form of mount(8), "ro,size=1m", taken apart as mount(2) wants them. Words it does not know are the file system's. */
export function parseMountOptions(text: string): MountOptions {
  let flags = 0;
  const propagation: number[] = [];
  const data: string[] = [];
  for (const word of text.split(',')) {
    const known = FLAGS[word];
    if (known !== undefined) flags = known[1] ? flags & ~known[0] : flags | known[0];
    else if (PROPAGATION[word] !== undefined) propagation.push(PROPAGATION[word]);
    else if (word !== '') data.push(word);
  }
  return { flags, propagation, data: data.join(',') };
}
