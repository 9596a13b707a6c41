/** Real firewalls, each in the network namespace of the test that starts it and with files of its own. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A message bus that lets everybody do everything, on a socket of its own: firewalld and its client speak by one. */
export class MessageBus {
  readonly address: string;
  readonly #process: ChildProcess;

  private constructor(address: string, process: ChildProcess) {
    this.address = address;
    this.#process = process;
  }

  static async start(directory: string): Promise<MessageBus> {
    const address = `unix:path=${join(directory, 'bus')}`;
    const config = join(directory, 'bus.conf');
    writeFileSync(
      config,
      `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
      <busconfig><type>system</type><listen>${address}</listen><auth>EXTERNAL</auth><policy context="default">
      <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/><allow user="*"/></policy></busconfig>`,
    );
    const child = spawn('dbus-daemon', [`--config-file=${config}`, '--nofork', '--nopidfile', '--print-address'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await once(child.stdout!, 'data');
    return new MessageBus(address, child);
  }

  get env(): NodeJS.ProcessEnv {
    return { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: this.address };
  }

  close(): void {
    this.#process.kill('SIGKILL');
  }
}

export class FirewalldProcess {
  readonly #process: ChildProcess;
  readonly #bus: MessageBus;

  private constructor(process: ChildProcess, bus: MessageBus) {
    this.#process = process;
    this.#bus = bus;
  }

  static get installed(): boolean {
    return existsSync('/usr/sbin/firewalld') && existsSync('/usr/bin/dbus-daemon');
  }

  /** Its rules are in place when this returns. Its configuration is the distribution's. */
  static async start(bus: MessageBus): Promise<FirewalldProcess> {
    const child = spawn('firewalld', ['--nofork', '--nopid'], { env: bus.env, stdio: 'ignore' });
    const firewalld = new FirewalldProcess(child, bus);
    while (!firewalld.#running()) {
      if (child.exitCode !== null) throw new Error(`firewalld ended with ${child.exitCode}`);
      await sleep(100);
    }
    return firewalld;
  }

  command(...args: string[]): string {
    return execFileSync('firewall-cmd', args, { env: this.#bus.env, encoding: 'utf8' });
  }

  /** Ends in order, which takes its rules away. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill('SIGTERM');
    await once(this.#process, 'exit');
  }

  #running(): boolean {
    try {
      return this.command('--state').trim() === 'running';
    } catch {
      return false;
    }
  }
}

/** ufw's own start and stop script, which runs iptables-restore, on a copy of its files. */
export class Ufw {
  readonly #directory: string;

  static get installed(): boolean {
    return existsSync('/lib/ufw/ufw-init');
  }

  constructor(directory: string) {
    this.#directory = join(directory, 'ufw');
    for (const path of ['etc/ufw', 'etc/default/ufw', 'lib/ufw', 'usr/share/ufw']) {
      mkdirSync(join(this.#directory, path, '..'), { recursive: true });
      cpSync(join('/', path), join(this.#directory, path), { recursive: true });
    }
    writeFileSync(join(this.#directory, 'etc/ufw/ufw.conf'), 'ENABLED=yes\nLOGLEVEL=low\n');
    // What is not of the namespace stays as it is.
    appendFileSync(join(this.#directory, 'etc/default/ufw'), 'IPT_SYSCTL=\nIPT_MODULES=\n');
  }

  run(action: 'start' | 'force-stop' | 'force-reload'): void {
    execFileSync('/lib/ufw/ufw-init', ['--rootdir', this.#directory, '--datadir', this.#directory, action], {
      stdio: 'pipe',
    });
  }
}
