/** Image references as far as the client looks into them (distribution reference grammar). */

const DOMAIN =
  '(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?';
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const REFERENCE = new RegExp(
  `^((?:${DOMAIN}/)?${COMPONENT}(?:/${COMPONENT})*)(?::([\\w][\\w.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9]*:[0-9a-fA-F]{32,}))?$`,
);

/** The full name of a repository: docker.io, and library/ where there is no user. */
export function fullName(name: string): string {
  const first = name.split('/')[0]!;
  if (!name.includes('/')) return `docker.io/library/${name}`;
  return /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase() ? name : `docker.io/${name}`;
}

/** Full repository name and tag ("latest" when there is none) of a name. Throws `invalid reference format...`. */
export function splitReference(text: string): { repo: string; tag: string } {
  const match = REFERENCE.exec(text);
  if (!match) {
    if (REFERENCE.test(text.toLowerCase())) {
      // What is in front is a registry's host when it cannot be a repository.
      const path = fullName(text.replace(/[:@][^/]*$/, '')).replace(/^[^/]+\//, '');
      throw new Error(`invalid reference format: repository name (${path}) must be lowercase`);
    }
    throw new Error('invalid reference format');
  }
  if (match[3]) throw new Error('refusing to create a tag with a digest reference');
  return { repo: fullName(match[1]!), tag: match[2] ?? 'latest' };
}
