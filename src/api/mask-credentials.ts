/** A proxy's URL as it may be shown: user and password replaced, as Docker does it. What is no URL is returned as it is. */
export function maskCredentials(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//xxxxx:xxxxx@');
}
