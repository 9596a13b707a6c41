/** How a prune is done. */
export interface PruneOptions {
  /** Nothing is changed, the answer says what would go. */
  dryRun: boolean;
  /** In a dry run: IDs of containers that count as removed already, as they are when several prunes follow one another. */
  without: ReadonlySet<string>;
}

/**
 * A filter key of every prune that does what the option does. A client that cannot know whether an engine has dry runs uses this form: an
 * engine that has none refuses a filter it does not know, while it would pass over a parameter and prune.
 */
export const DRY_RUN_FILTER = 'dry-run';
