/** Device numbers as the kernel packs them into st_rdev: glibc's makedev(3), major(3) and minor(3). */

export function makeDevice(major: number, minor: number): bigint {
  const a = BigInt(major);
  const b = BigInt(minor);
  return ((a & 0xfffff000n) << 32n) | ((a & 0xfffn) << 8n) | ((b & 0xffffff00n) << 12n) | (b & 0xffn);
}

export function splitDevice(device: number | bigint): { major: number; minor: number } {
  const d = BigInt(device);
  return {
    major: Number(((d >> 32n) & 0xfffff000n) | ((d >> 8n) & 0xfffn)),
    minor: Number(((d >> 12n) & 0xffffff00n) | (d & 0xffn)),
  };
}
