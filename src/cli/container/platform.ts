const SYSTEMS: ReadonlySet<string> = new Set(
  'aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos'.split(
    ' ',
  ),
);
const MACHINES: ReadonlySet<string> = new Set(
  '386 amd64 amd64p32 arm armbe arm64 arm64be ppc64 ppc64le loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ppc riscv riscv64 s390 s390x sparc sparc64 wasm aarch64 armhf armel i386 x86_64 x86-64'.split(
    ' ',
  ),
);

/** Throws for what names no platform: a word alone must be a known system or machine (containerd's rule). */
export function checkPlatform(text: string): void {
  const parts = text.split('/');
  const invalid = (why: string) => new Error(`${JSON.stringify(text)}: ${why}: invalid argument`);
  const wrong = parts.find((part) => !/^[A-Za-z0-9_.-]+$/.test(part));
  if (wrong !== undefined)
    throw invalid(
      `${JSON.stringify(wrong)} is an invalid component: platform specifier component must match "^[A-Za-z0-9_.-]+$"`,
    );
  if (parts.length > 3) throw invalid('cannot parse platform specifier');
  const word = parts[0]!.toLowerCase();
  if (parts.length === 1 && !SYSTEMS.has(word) && !MACHINES.has(word))
    throw invalid('unknown operating system or architecture');
}

/** "linux/arm64/v8" as the JSON object that the API's platform parameters take. */
export function platformQuery(text: string): string {
  try {
    checkPlatform(text);
  } catch (error) {
    throw new Error(`invalid platform: ${(error as Error).message}`, { cause: error });
  }
  const words = text.split('/');
  // A machine alone is one of Linux.
  const [os, architecture, variant] =
    words.length === 1 && !SYSTEMS.has(words[0]!.toLowerCase()) ? ['linux', words[0]] : words;
  return JSON.stringify({
    os,
    ...(architecture ? { architecture } : {}),
    ...(variant ? { variant } : {}),
  });
}

/** What --platform says, else the environment (DOCKER_DEFAULT_PLATFORM); '' when neither does. For create, run, pull and import, as in docker. */
export function wantedPlatform(flag: string, env: Readonly<Record<string, string | undefined>>): string {
  return flag || env.DOCKER_DEFAULT_PLATFORM || '';
}
