import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, GantryError } from '../../api/errors.ts';
import { limitProject, projectOf, projectsLimited, projectTaken, setProject } from '../../linux/project-quota.ts';

/** Where projects of ours begin: above those that administrators and other engines number from 1. */
const FIRST_PROJECT = 1 << 20;

/** Sizes of volumes, kept by the file system: each limited volume is a project (quota) of its own. */
export class VolumeQuotas {
  readonly #root: string;

  /** `root` holds the volumes' directories. */
  constructor(root: string) {
    this.#root = root;
  }

  /** Whether the file system can do it, as it is mounted now. */
  get supported(): boolean {
    return projectsLimited(this.#root);
  }

  /** Limits what a directory of a volume may take, in bytes. Throws system. */
  limit(directory: string, bytes: number): void {
    if (!this.supported) throw new GantryError('system', 'size quota requested for volume but no quota support');
    let project = projectOf(directory);
    if (project === 0) {
      project = this.#free();
      setProject(directory, project);
    }
    limitProject(this.#root, project, bytes);
  }

  /** Takes the limit of a directory that is to be removed away; what is in it stays counted. Returns nothing for one without. */
  release(directory: string): void {
    const project = this.#project(directory);
    if (project >= FIRST_PROJECT && this.supported) limitProject(this.#root, project, 0);
  }

  #free(): number {
    const used = new Set(readdirSync(this.#root).map((name) => this.#project(join(this.#root, name, '_data'))));
    for (let project = FIRST_PROJECT; ; project++) {
      if (!used.has(project) && !projectTaken(this.#root, project)) return project;
    }
  }

  #project(directory: string): number {
    try {
      return projectOf(directory);
    } catch (error) {
      // Not there, or of a file system that knows no projects.
      if (['ENOENT', 'ENOTDIR', 'ENOTTY', 'EOPNOTSUPP', 'ENOTSUP'].includes(errnoOf(error) ?? '')) return 0;
      throw error;
    }
  }
}
