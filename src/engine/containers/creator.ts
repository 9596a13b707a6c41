import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { GantryError } from '../../api/errors.ts';
import { formatTime, nowNs } from '../../api/timestamp.ts';
import { ensureWorkingDirectory } from '../../runtime/spec/working-directory.ts';
import type { ContainerRecord } from '../container-record.ts';
import type { EngineContext } from '../context.ts';
import { checkPlatform, parsePlatform } from '../images/platform.ts';
import type { Links } from '../links/links.ts';
import { imageMountsOf } from '../volumes/image-mounts.ts';
import { Container } from './container.ts';
import type { ContainerIndex } from './container-index.ts';
import type { ContainersDeps, CreateRequest } from './contract.ts';
import { prepareCreate } from './create-options/prepare-create.ts';
import { generateName } from './names.ts';
import { NEVER } from './status-text.ts';

/** Makes containers: configuration, writable layer, volumes, record, in this order; whatever fails takes the rest with it. */
export class Creator {
  readonly #context: EngineContext;
  readonly #deps: ContainersDeps;
  readonly #index: ContainerIndex;
  readonly #links: Links;

  constructor(context: EngineContext, deps: ContainersDeps, parts: { index: ContainerIndex; links: Links }) {
    this.#context = context;
    this.#deps = deps;
    this.#index = parts.index;
    this.#links = parts.links;
  }

  /** Throws not_found for the image, conflict for the name, and what prepareCreate() and the volumes throw. */
  async create(request: CreateRequest): Promise<{ container: Container; warnings: string[] }> {
    const { images, volumes } = this.#deps;
    const { storage } = this.#context;
    this.#deps.cgroups.warm();
    const id = newId();
    const given = request.name.startsWith('/') ? request.name.slice(1) : request.name;
    const name = given === '' ? generateName((candidate) => this.#index.taken(candidate)) : given;
    const reference = request.body.Image ?? '';
    const image = reference === '' ? null : images.resolve(reference);
    if (image !== null && request.platform !== '') {
      checkPlatform(image, parsePlatform(request.platform), reference);
    }
    const prepared = prepareCreate(request.body, {
      settings: this.#context.settings,
      host: this.#deps.hostFacts,
      image,
      hostCgroupns: request.hostCgroupns,
      id,
      resolveContainer: (other) => this.#find(other),
      network: (network) => this.#context.networks.find(network) ?? null,
      checkLogConfig: (type, options) => this.#deps.logDrivers.validate(type, options),
    });
    const imageMounts = imageMountsOf(prepared.hostConfig, {
      image: (named) => images.resolve(named),
      container: (other) => this.#index.resolve(other).record,
    });
    const links = this.#links.resolve(prepared.hostConfig);
    const record: ContainerRecord = {
      id,
      name,
      created: formatTime(nowNs()),
      path: prepared.path,
      args: prepared.args,
      config: prepared.config,
      hostConfig: prepared.hostConfig,
      imageId: image?.id ?? '',
      chainId: image?.chainIds.at(-1) ?? null,
      state: {
        status: 'created',
        pid: 0,
        pidStartTime: '',
        exitCode: 0,
        error: '',
        oomKilled: false,
        startedAt: NEVER,
        finishedAt: NEVER,
        health: null,
      },
      restartCount: 0,
      stoppedByUser: false,
      mounts: [],
      ...(imageMounts.length === 0 ? {} : { imageMounts }),
      ...(request.flatReadOnly ? { flatReadOnly: true } : {}),
      anonymousVolumes: [],
      endpointsConfig: prepared.endpointsConfig,
      ...(links.length > 0 ? { links } : {}),
      networksListed: true,
      sandbox: null,
      runtime: prepared.hostConfig.Runtime || this.#context.settings.defaultRuntime,
      appArmorProfile: '',
    };
    const container = new Container(this.#context, record);
    this.#index.reserve(name, id);
    this.#index.creating.add(container);
    try {
      const { StorageOpt: storageOpt } = prepared.hostConfig;
      await storage.writable.create(id, record.chainId, storageOpt === undefined ? {} : { storageOpt });
      mkdirSync(container.directory, { recursive: true, mode: 0o710 });
      await this.#furnish(container);
      container.save();
    } catch (error) {
      this.#index.release(name, id);
      await volumes.release(record, true);
      await storage.writable.remove(id);
      rmSync(container.directory, { recursive: true, force: true });
      throw error;
    } finally {
      this.#index.creating.delete(container);
    }
    this.#index.add(container);
    container.event('create');
    return { container, warnings: prepared.warnings };
  }

  /** Working directory and volumes: what can be copied to and from before the container has ever run. */
  async #furnish(container: Container): Promise<void> {
    const { writable } = this.#context.storage;
    const { WorkingDir: workingDir = '' } = container.record.config;
    if (workingDir === '' || workingDir === '/') {
      await this.#mounts(container);
      return;
    }
    const rootfs = writable.mount(container.id);
    try {
      ensureWorkingDirectory(rootfs, workingDir);
      await this.#mounts(container);
    } finally {
      writable.unmount(container.id);
    }
  }

  async #mounts(container: Container): Promise<void> {
    const { record } = container;
    const { config, hostConfig } = record;
    const plan = await this.#deps.volumes.prepare({
      containerId: record.id,
      config,
      hostConfig,
      imageMounts: record.imageMounts ?? [],
      container: (reference) => this.#index.resolve(reference).record,
    });
    record.mounts = plan.mounts;
    record.anonymousVolumes = plan.anonymousVolumes;
    if (plan.inheritedMounts.length > 0) record.inheritedMounts = plan.inheritedMounts;
  }

  #find(reference: string): ContainerRecord | null {
    try {
      return this.#index.resolve(reference).record;
    } catch (error) {
      if (error instanceof GantryError && error.code === 'not_found') return null;
      throw error;
    }
  }
}

/** 64 hex digits whose first twelve are not all decimal: those serve as host name, which may not look like a number. */
function newId(): string {
  for (;;) {
    const id = randomBytes(32).toString('hex');
    if (!/^\d{12}/.test(id)) return id;
  }
}
