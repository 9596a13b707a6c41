/**
 * Project quotas: a directory tree belongs to a project, and the file system limits what a project takes. FS_IOC_FSGETXATTR and
 * FS_IOC_FSSETXATTR (<linux/fs.h>), quotactl_fd(2) (Linux 5.14) with the commands that xfs and ext4 share (<linux/dqblk_xfs.h>).
 */
import fs from 'node:fs';
import { check, declare, SystemCallError } from './libc.ts';

/** The same number on every architecture. */
const SYS_QUOTACTL_FD = 443;
const FS_IOC_FSGETXATTR = 0x801c581f;
const FS_IOC_FSSETXATTR = 0x401c5820;
const FS_XFLAG_PROJINHERIT = 0x200;
/** struct fsxattr: flags at 0, project at 12. */
const FSXATTR_SIZE = 28;

const PRJQUOTA = 2;
const Q_XGETQUOTA = 0x5803;
const Q_XSETQLIM = 0x5804;
const Q_XGETQSTAT = 0x5805;
const command = (number: number) => (number << 8) | PRJQUOTA;
/** Accounted and enforced, in qs_flags at 2 of struct fs_quota_stat. */
const PROJECTS_LIMITED = (1 << 4) | (1 << 5);
const QUOTA_STAT_SIZE = 80;

/** struct fs_disk_quota. */
const DISK_QUOTA_SIZE = 112;
const FS_DQUOT_VERSION = 1;
const FS_PROJ_QUOTA = 2;
const FS_DQ_BSOFT = 1 << 2;
const FS_DQ_BHARD = 1 << 3;
/** Unit of its limits and counts. */
const BASIC_BLOCK = 512;

const ioctlCall = declare('int ioctl(int fd, unsigned long request, void *argument)');
const quotactlCall = declare(
  'long syscall(long number, unsigned int fd, unsigned int command, unsigned int id, void *argument)',
);

/** Whether the file system of a directory limits projects now. */
export function projectsLimited(directory: string): boolean {
  const stat = Buffer.alloc(QUOTA_STAT_SIZE);
  stat[0] = FS_DQUOT_VERSION;
  try {
    quotactl(directory, Q_XGETQSTAT, 0, stat);
  } catch (error) {
    // No quotas there, or no such call in this kernel.
    if (error instanceof SystemCallError) return false;
    throw error;
  }
  return (stat.readUInt16LE(2) & PROJECTS_LIMITED) === PROJECTS_LIMITED;
}

/** Project of a directory, 0 for none. Throws SystemCallError: ENOTTY where the file system knows no projects. */
export function projectOf(directory: string): number {
  return withFd(directory, (fd) => attributesOf(fd).readUInt32LE(12));
}

/** Gives a directory, and all that will be made in it, to a project. Throws SystemCallError. */
export function setProject(directory: string, project: number): void {
  withFd(directory, (fd) => {
    const attributes = attributesOf(fd);
    attributes.writeUInt32LE(attributes.readUInt32LE(0) | FS_XFLAG_PROJINHERIT, 0);
    attributes.writeUInt32LE(project, 12);
    check(ioctlCall(fd, FS_IOC_FSSETXATTR, attributes), 'ioctl FS_IOC_FSSETXATTR', directory);
  });
}

/** Limits what a project takes, in bytes; 0 takes the limit away. Throws SystemCallError. */
export function limitProject(directory: string, project: number, bytes: number): void {
  const quota = diskQuota(project);
  quota.writeUInt16LE(FS_DQ_BHARD | FS_DQ_BSOFT, 2);
  const blocks = BigInt(Math.ceil(bytes / BASIC_BLOCK));
  quota.writeBigUInt64LE(blocks, 8);
  quota.writeBigUInt64LE(blocks, 16);
  quotactl(directory, Q_XSETQLIM, project, quota);
}

/** Whether a project has a limit or holds anything. Throws SystemCallError. */
export function projectTaken(directory: string, project: number): boolean {
  const quota = diskQuota(project);
  try {
    quotactl(directory, Q_XGETQUOTA, project, quota);
  } catch (error) {
    if (error instanceof SystemCallError && (error.code === 'ENOENT' || error.code === 'ESRCH')) return false;
    throw error;
  }
  // Hard and soft limits of blocks, those of inodes, blocks and inodes in use.
  return [8, 16, 24, 32, 40, 48].some((at) => quota.readBigUInt64LE(at) !== 0n);
}

function diskQuota(project: number): Buffer {
  const quota = Buffer.alloc(DISK_QUOTA_SIZE);
  quota.writeInt8(FS_DQUOT_VERSION, 0);
  quota.writeInt8(FS_PROJ_QUOTA, 1);
  quota.writeUInt32LE(project, 4);
  return quota;
}

function attributesOf(fd: number): Buffer {
  const attributes = Buffer.alloc(FSXATTR_SIZE);
  check(ioctlCall(fd, FS_IOC_FSGETXATTR, attributes), 'ioctl FS_IOC_FSGETXATTR');
  return attributes;
}

function quotactl(directory: string, number: number, id: number, argument: Buffer): void {
  withFd(directory, (fd) => {
    check(quotactlCall(SYS_QUOTACTL_FD, fd, command(number), id, argument), 'quotactl_fd', directory);
  });
}

function withFd<T>(directory: string, work: (fd: number) => T): T {
  const fd = fs.openSync(directory, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW);
  try {
    return work(fd);
  } finally {
    fs.closeSync(fd);
  }
}
