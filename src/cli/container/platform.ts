/** "linux/arm64/v8" as the JSON object that the API's platform parameters take. */
export function platformQuery(text: string): string {
  const [os = '', architecture, variant, ...more] = text.split('/');
  if (os === '' || more.length > 0) throw new Error(`invalid platform: ${text}`);
  return JSON.stringify({
    os,
    ...(architecture ? { architecture } : {}),
    ...(variant ? { variant } : {}),
  });
}
