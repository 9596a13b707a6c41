import { messageOf } from '../../api/errors.ts';
import type { Plugins } from '../../plugins/plugins.ts';
import type { NetworkLog } from '../log.ts';
import type { RemoteEndpoint, RemoteJournal, RemoteThing } from './contract.ts';
import { PluginCalls, unanswered } from './plugin-calls.ts';

/** How long plugins that could not be told something are left alone: twice as long each time, up to a minute. */
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 60_000;

/**
 * The things that plugins have made for us, and how they are taken back. A plugin that refuses to let a thing go has had its say, as
 * with dockerd; one that does not answer is told again until it does.
 */
export class RemoteThings {
  readonly #plugins: Plugins;
  readonly #journal: RemoteJournal;
  readonly #log: NetworkLog;
  readonly #things = new Map<string, RemoteThing>();
  /** IDs of what nobody uses any more and its plugin does not know it yet. */
  readonly #owed = new Set<string>();
  readonly #underWay = new Map<string, Promise<boolean>>();
  #retryMs = FIRST_RETRY_MS;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(parts: { plugins: Plugins; journal: RemoteJournal; log: NetworkLog }) {
    this.#plugins = parts.plugins;
    this.#journal = parts.journal;
    this.#log = parts.log;
    for (const thing of this.#journal.all()) this.#things.set(thing.id, thing);
  }

  driver(name: string): PluginCalls {
    return new PluginCalls(name, this.#plugins, 'NetworkDriver');
  }

  ipam(name: string): PluginCalls {
    return new PluginCalls(name, this.#plugins, 'IpamDriver');
  }

  /** Takes back, without anybody waiting for it, what is not in use. To be called once, with what is. */
  restore(inUse: (thing: RemoteThing) => boolean): void {
    for (const thing of this.#things.values()) if (!inUse(thing)) this.#owed.add(thing.id);
    if (this.#owed.size > 0) void this.settle();
  }

  /** All that is in use of one IPAM plugin's, networks first. */
  ofIpam(ipamDriver: string): RemoteThing[] {
    return [...this.#things.values()]
      .filter((thing) => thing.ipamDriver === ipamDriver && !this.#owed.has(thing.id))
      .sort((one) => (one.kind === 'network' ? -1 : 1));
  }

  /** Endpoints of a container, those that are being taken back left out. */
  endpoints(containerId: string): RemoteEndpoint[] {
    return [...this.#things.values()].filter(
      (thing): thing is RemoteEndpoint =>
        thing.kind === 'endpoint' && thing.containerId === containerId && !this.#owed.has(thing.id),
    );
  }

  /** Notes it as it is now, before the plugin hears of it. */
  note(thing: RemoteThing): void {
    this.#things.set(thing.id, thing);
    this.#journal.put(thing);
  }

  /** Takes an endpoint out of its sandbox. Does not throw: false where the plugin could not be told, which release() does again. */
  leave(endpoint: RemoteEndpoint): Promise<boolean> {
    return this.#attempt(endpoint, outSteps(endpoint));
  }

  /** It leads outside no more, as it did. As leave(). */
  withdraw(endpoint: RemoteEndpoint): Promise<boolean> {
    return this.#attempt(endpoint, outSteps(endpoint).slice(0, 1));
  }

  /** Takes a thing back later: its plugin does not answer. */
  owe(id: string): void {
    if (!this.#things.has(id)) return;
    this.#owed.add(id);
    this.#settleLater();
  }

  /** Whether a network has endpoints, in a sandbox or on their way into one. */
  busy(networkId: string): boolean {
    return [...this.#things.values()].some(
      (thing) => thing.kind === 'endpoint' && thing.networkId === networkId && !this.#owed.has(thing.id),
    );
  }

  /** Takes a thing back. Does not throw: what its plugin could not be told is told later. */
  async release(id: string): Promise<void> {
    if (!this.#things.has(id)) return;
    this.#owed.add(id);
    if (!(await this.#release(id))) this.#settleLater();
  }

  /** Takes back what these plugins have too much of, before they are asked for more. Waits for them; throws when they do not come. */
  async settleFirst(driver: string, ipamDriver: string): Promise<void> {
    const plugins = [driver, ipamDriver].filter((name) => name !== '');
    await this.settle(plugins);
    if (!this.#owes(plugins)) return;
    if (driver !== '') await this.driver(driver).reach();
    if (ipamDriver !== '') await this.ipam(ipamDriver).reach();
    await this.settle(plugins);
  }

  /** Takes back what is owed, endpoints before networks; only to some plugins if so wished. Those that are not there are not waited for. */
  async settle(plugins: readonly string[] | null = null): Promise<void> {
    const owed = [...this.#owed].map((id) => this.#things.get(id)!).sort((one) => (one.kind === 'endpoint' ? -1 : 1));
    const silent = new Set<string>();
    for (const { id, driver, ipamDriver } of owed) {
      const names = [driver, ipamDriver].filter((name) => name !== '');
      if (plugins !== null && !names.some((name) => plugins.includes(name))) continue;
      if (names.some((name) => silent.has(name))) continue;
      if (!(await this.#release(id))) for (const name of names) silent.add(name);
    }
    if (this.#owed.size > 0) this.#settleLater();
    else this.#retryMs = FIRST_RETRY_MS;
  }

  #owes(plugins: readonly string[]): boolean {
    const owed = [...this.#owed].map((id) => this.#things.get(id)!);
    return owed.some(({ driver, ipamDriver }) => plugins.includes(driver) || plugins.includes(ipamDriver));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** False where a plugin could not be told. Twice at a time for the same thing is once. */
  #release(id: string): Promise<boolean> {
    const running = this.#underWay.get(id);
    if (running !== undefined) return running;
    const thing = this.#things.get(id);
    if (thing === undefined) return Promise.resolve(true);
    const work = this.#releaseThing(thing).finally(() => this.#underWay.delete(id));
    this.#underWay.set(id, work);
    return work;
  }

  async #releaseThing(thing: RemoteThing): Promise<boolean> {
    const steps = thing.kind === 'endpoint' ? [...outSteps(thing), ...endSteps(thing)] : endSteps(thing);
    if (!(await this.#attempt(thing, steps))) return false;
    this.#things.delete(thing.id);
    this.#owed.delete(thing.id);
    this.#journal.strike(thing.id);
    return true;
  }

  /** False where the plugin does not answer: what is left of the steps is still in the thing then. */
  async #attempt(thing: RemoteThing, steps: readonly Step[]): Promise<boolean> {
    let reached = true;
    for (const { ipam, method, body, optional, done } of steps) {
      const calls = ipam ? this.ipam(thing.ipamDriver) : this.driver(thing.driver);
      try {
        await calls.call(method, body, { optional });
      } catch (error) {
        this.#warn(thing, error);
        reached = !unanswered(error);
        if (!reached) break;
      }
      done();
    }
    // Once for all steps: a plugin that is told something twice complains, which harms nobody.
    if (steps.length > 0) this.#journal.keep(thing);
    return reached;
  }

  #settleLater(): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.settle();
    }, this.#retryMs);
    this.#timer.unref();
    this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS);
  }

  #warn(thing: RemoteThing, error: unknown): void {
    this.#log.warn('a plugin does not let go of what it has made', {
      [thing.kind]: thing.id,
      plugin: [thing.driver, thing.ipamDriver].filter((name) => name !== '').join(', '),
      error: messageOf(error),
    });
  }
}

interface Step {
  ipam: boolean;
  method: string;
  body: object;
  optional: boolean;
  /** Takes it out of what is left to do. */
  done(): void;
}

/** Out of its sandbox. */
function outSteps(endpoint: RemoteEndpoint): Step[] {
  const steps: Step[] = [];
  const body = { NetworkID: endpoint.networkId, EndpointID: endpoint.id };
  const add = (method: string, optional: boolean, done: () => void) => {
    steps.push({ ipam: false, method, body, optional, done });
  };
  if (endpoint.external) {
    add('RevokeExternalConnectivity', true, () => {
      endpoint.external = false;
    });
  }
  if (endpoint.joined) {
    add('Leave', false, () => {
      endpoint.joined = false;
    });
  }
  return steps;
}

/** Its end, and that of what it has of an address plugin. */
function endSteps(thing: RemoteThing): Step[] {
  const steps: Step[] = [];
  if (thing.made) {
    const isEndpoint = thing.kind === 'endpoint';
    steps.push({
      ipam: false,
      method: isEndpoint ? 'DeleteEndpoint' : 'DeleteNetwork',
      body: isEndpoint ? { NetworkID: thing.networkId, EndpointID: thing.id } : { NetworkID: thing.id },
      optional: false,
      done: () => {
        thing.made = false;
      },
    });
  }
  for (const lease of [...thing.leases]) {
    steps.push({
      ipam: true,
      method: 'ReleaseAddress',
      body: { PoolID: lease.poolId, Address: lease.address },
      optional: false,
      done: () => {
        thing.leases = thing.leases.filter((other) => other !== lease);
      },
    });
  }
  if (thing.kind === 'endpoint') return steps;
  for (const pool of [...thing.pools]) {
    steps.push({
      ipam: true,
      method: 'ReleasePool',
      body: { PoolID: pool.poolId },
      optional: false,
      done: () => {
        thing.pools = thing.pools.filter((other) => other !== pool);
      },
    });
  }
  return steps;
}
