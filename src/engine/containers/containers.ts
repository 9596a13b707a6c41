import type { ContainerInspectResponse, ContainerSummary } from '../../api/schemas/container.ts';
import type { EngineContext } from '../context.ts';
import type { Container } from './container.ts';
import type { CreateRequest, ImageLookup, ListOptions, RemoveOptions, StopOptions } from './contract.ts';

export interface ContainersDeps {
  images: ImageLookup;
}

/** All containers of the engine and what can be done with them (Engine API, tag "Container"). */
export declare class Containers {
  constructor(context: EngineContext, deps: ContainersDeps);
  /** By full ID, name (with or without its slash) or unambiguous ID prefix, in this order. Throws not_found `No such container: x`. */
  resolve(reference: string): Container;
  /** All of them, oldest first. */
  all(): Container[];
  create(request: CreateRequest): Promise<{ Id: string; Warnings: string[] }>;
  start(container: Container): Promise<void>;
  stop(container: Container, options: StopOptions): Promise<void>;
  restart(container: Container, options: StopOptions): Promise<void>;
  kill(container: Container, signal: string): Promise<void>;
  pause(container: Container): Promise<void>;
  unpause(container: Container): Promise<void>;
  rename(container: Container, name: string): Promise<void>;
  remove(container: Container, options: RemoveOptions): Promise<void>;
  list(options: ListOptions): Promise<ContainerSummary[]>;
  inspect(container: Container, options: { size: boolean; apiVersion: string }): Promise<ContainerInspectResponse>;
  /** At daemon start: finds running containers again, reconciles what a crash left, resumes restart policies. */
  restore(): Promise<void>;
  /** At daemon stop: containers live on unless `stopContainers`. */
  shutdown(options: { stopContainers: boolean }): Promise<void>;
}
