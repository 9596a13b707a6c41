import { existsSync, mkdirSync } from 'node:fs';
import { engines } from './engines.ts';
import { must, request } from './measure.ts';
import { installed, type Peers } from './peers.ts';

/** The image that has iperf3 and `load`. */
export const TOOLS_IMAGE = 'bench-tools:latest';

/** The load program, as the machine itself runs it. */
export const loadProgram = (peers: Peers): string => `${peers.dir}/tools/bin/load`;

/** Makes the image once a run, from busybox, Debian's iperf3 (installed where it is missing) and load.c, and gives it to all engines. */
export async function provideTools(root: string, peers: Peers): Promise<void> {
  const dir = `${peers.dir}/tools`;
  if (existsSync(dir)) return;
  if (!installed('iperf3')) await must(['apt-get', 'install', '-q', '-y', '--no-install-recommends', 'iperf3']);
  mkdirSync(dir);
  await must(['tar', '-C', dir, '-xf', `${peers.dir}/busybox.tar`]);
  const copy = 'iperf3=$(command -v iperf3); cp -L --parents "$iperf3" $(ldd "$iperf3" | grep -o "/[^ ]*") "$0"';
  await must(['sh', '-ec', copy, dir]);
  await must(['gcc', '-O2', '-std=gnu11', '-static', '-s', '-o', loadProgram(peers), `${root}/bench/load.c`]);
  await must(['tar', '-C', dir, '-cf', `${dir}.tar`, '.']);
  for (const { socket } of engines(peers)) {
    await must([`${root}/bin/gantry`, '-H', `unix://${socket}`, 'import', `${dir}.tar`, TOOLS_IMAGE]);
    await request(socket, 'GET', `/images/${TOOLS_IMAGE}/json`);
  }
}
