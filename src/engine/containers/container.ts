import { join } from 'node:path';
import type { Monitor } from '../../runtime/contract.ts';
import type { ContainerRecord } from '../container-record.ts';
import type { EngineContext } from '../context.ts';
import { BackOff } from '../restart/restart-policy.ts';
import type { Durability } from '../state-store.ts';
import { AsyncLock } from './async-lock.ts';
import { WaitList } from './wait-list.ts';

/** Cgroup that containers' own are in, unless --cgroup-parent says otherwise. */
export const DEFAULT_CGROUP_PARENT = '/gantry';

const UPSERT =
  'INSERT INTO container (id, name, record) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name, record = excluded.record';

/** A client that attached before the container's process was there. */
export interface PendingAttach {
  /** The process is created and has not run: connect now, nothing of its output is lost. */
  connect(monitor: Monitor): Promise<void>;
  /** The start failed, or the container is removed: nothing will come. */
  cancel(): void;
}

/** A container in memory: its record, the monitor of its process while it has one, and the lock of its operations. */
export class Container {
  readonly record: ContainerRecord;
  /** Present from the creation of the process to its exit. */
  monitor: Monitor | null = null;
  /** Operations that change the container hold it; reading ones (inspect, ls, stats, logs) never wait for it. */
  readonly lock = new AsyncLock();
  readonly waiters = new WaitList();
  /** IDs of the container's execs (inspect's ExecIDs). */
  readonly execIds = new Set<string>();
  readonly pendingAttaches = new Set<PendingAttach>();
  readonly backOff = new BackOff();
  /** Of the wait before a restart by policy. */
  restartTimer: NodeJS.Timeout | null = null;
  /** A restart by the user is between its stop and its start: neither policies nor --rm act on the exit. */
  restarting = false;
  /** Settles when everything that an exit entails has been done: mounts, network, state, events. */
  settled: Promise<void> = Promise.resolve();
  /** Somebody waits for the exit in order to remove the container. */
  removing = false;
  readonly #context: EngineContext;

  constructor(context: EngineContext, record: ContainerRecord) {
    this.#context = context;
    this.record = record;
  }

  get id(): string {
    return this.record.id;
  }

  /** Without the leading slash. */
  get name(): string {
    return this.record.name;
  }

  /** True from start to exit: paused containers run too. */
  get running(): boolean {
    const { status } = this.record.state;
    return status === 'running' || status === 'paused';
  }

  /** Files that belong to the container and outlive a reboot: hosts, hostname, resolv.conf, the log. */
  get directory(): string {
    return join(this.#context.settings.dataRoot, 'containers', this.id);
  }

  /** Bundle, monitor socket, pid and exit file: on a tmpfs, valid for one boot. */
  get runDirectory(): string {
    return join(this.#context.settings.execRoot, 'containers', this.id);
  }

  /** Cgroup as in the OCI spec's linux.cgroupsPath. */
  get cgroupsPath(): string {
    const parent = this.record.hostConfig.CgroupParent || this.#context.settings.cgroupParent || DEFAULT_CGROUP_PARENT;
    return join('/', parent, this.id);
  }

  /** Runs `work` with the root file system mounted; it is unmounted afterwards unless somebody else needs it. */
  async withRootfs<T>(work: (rootfs: string) => T | Promise<T>): Promise<T> {
    const rootfs = this.#context.storage.writable.mount(this.id);
    try {
      return await work(rootfs);
    } finally {
      this.#context.storage.writable.unmount(this.id);
    }
  }

  /** Writes the record. Throws no_space or system; what the record held before is stored then. */
  save(): void {
    this.#context.store.run(this.#label, UPSERT, this.id, this.name, JSON.stringify(this.record));
  }

  /** Writes the record of what is so already, now or once the disk takes it (see StateStore.keep). */
  keep(durability: Durability): void {
    this.#context.store.keep(this.#label, durability, UPSERT, this.id, this.name, JSON.stringify(this.record));
  }

  /** Deletes the record, now or once the disk takes it: start-up finishes the removal of a record that has lost its layer. */
  erase(): void {
    this.#context.store.keep(this.#label, 'durable', 'DELETE FROM container WHERE id = ?', this.id);
  }

  get #label(): string {
    return `container ${this.id}`;
  }

  /** Emits an event of this container with the attributes Docker gives: image, name, all labels, then `extra`. */
  event(action: string, extra: Record<string, string> = {}): void {
    this.#context.events.emit('container', action, this.id, {
      ...this.record.config.Labels,
      image: this.record.config.Image ?? '',
      name: this.name,
      ...extra,
    });
  }

  /** Ends the streams of clients that attached ahead of a start that will not come. */
  cancelAttaches(): void {
    for (const pending of this.pendingAttaches) pending.cancel();
    this.pendingAttaches.clear();
  }
}
