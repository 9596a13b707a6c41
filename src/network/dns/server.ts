import { DatagramBatch } from '../../linux/datagram-batch.ts';
import type { NetworkLog } from '../log.ts';
import { answerFrom } from './answer.ts';
import { Forwarder, ForwardingBudget, type ForwardingRules } from './forwarder.ts';
import { Listener } from './listener.ts';
import { datagramSize, fitted, MAX_MESSAGE, makeReply, parseQuery, type Query, RCODE, TYPE } from './message.ts';
import type { Names } from './names.ts';
import type { Transport } from './upstream.ts';

export interface DnsSandbox extends ForwardingRules {
  id: string;
  /** Path of its network namespace, whose loopback is up. */
  namespace: string;
  /** The user chose "ndots": names without a dot are left to the client's search list and never asked outside. */
  ndotsSet: boolean;
}

interface Running {
  sandbox: DnsSandbox;
  listener: Listener;
  forwarder: Forwarder;
}

/**
 * The DNS server in each container on networks that have names: one pair of sockets a sandbox, one thread for all. What it holds is derived:
 * after a crash of the daemon open() is called again for each running sandbox, and queries from before are asked again by their clients.
 */
export class EmbeddedDns {
  readonly #names: Names;
  readonly #log: NetworkLog;
  readonly #budget = new ForwardingBudget();
  readonly #batch = new DatagramBatch();
  readonly #running = new Map<string, Running>();
  #turn = 0;

  constructor(names: Names, log: NetworkLog) {
    this.#names = names;
    this.#log = log;
  }

  /**
   * Serves a sandbox from now on; one that is served already gets the new rules. Synchronous: on the start path, 0.5 ms.
   * @throws SystemCallError
   */
  open(sandbox: DnsSandbox): void {
    const running = this.#running.get(sandbox.id);
    if (running !== undefined && running.sandbox.namespace === sandbox.namespace) {
      running.sandbox = sandbox;
      running.forwarder.setRules(sandbox);
      return;
    }
    this.close(sandbox.id);
    const handle = (transport: Transport, message: Buffer, reply: (message: Buffer | undefined) => void): void =>
      this.#handle(opened, transport, message, reply);
    const opened: Running = {
      sandbox,
      forwarder: new Forwarder(sandbox.namespace, sandbox, this.#budget),
      listener: new Listener(sandbox.namespace, handle, this.#batch, this.#log),
    };
    this.#running.set(sandbox.id, opened);
  }

  serves(sandboxId: string): boolean {
    return this.#running.has(sandboxId);
  }

  /** Nothing for a sandbox that is not served. */
  close(sandboxId: string): void {
    const running = this.#running.get(sandboxId);
    this.#running.delete(sandboxId);
    running?.listener.close();
    running?.forwarder.close();
  }

  closeAll(): void {
    for (const id of [...this.#running.keys()]) this.close(id);
  }

  #handle(
    { sandbox, forwarder }: Running,
    transport: Transport,
    message: Buffer,
    reply: (message: Buffer | undefined) => void,
  ): void {
    const parsed = parseQuery(message);
    if (parsed === undefined || 'reply' in parsed) {
      reply(parsed?.reply);
      return;
    }
    const { query } = parsed;
    const limit = transport === 'tcp' ? MAX_MESSAGE : datagramSize(query);
    const ready = this.#replyTo(query, sandbox, limit);
    if (ready !== undefined) reply(ready);
    else forwarder.forward(transport, query, (answer) => reply(fitted(query, answer, limit)));
  }

  /** The reply that needs nobody else, undefined when others are to be asked. */
  #replyTo(query: Query, sandbox: DnsSandbox, limit: number): Buffer | undefined {
    if ((query.edns?.version ?? 0) > 0) return makeReply(query, limit, [], RCODE.badVersion);
    const answers = answerFrom(this.#names, sandbox.id, query, this.#turn++);
    if (answers !== undefined) return makeReply(query, limit, answers);
    return sandbox.ndotsSet && isBareHost(query) ? makeReply(query, limit) : undefined;
  }
}

function isBareHost({ type, name }: Query): boolean {
  return (type === TYPE.A || type === TYPE.AAAA) && !name.includes('.');
}
