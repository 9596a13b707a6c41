/** Small text rules that Docker's listings share. */

/** First 12 characters of an ID, the algorithm left out. */
export function shortId(id: string): string {
  const at = id.indexOf(':');
  return (at < 0 ? id : id.slice(at + 1)).slice(0, 12);
}

/** Cut to `width` characters, the last one an ellipsis. */
export function ellipsis(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join('')}…`;
}

/** Go's time.Time.String() of seconds since the epoch, in local time: "2026-11-21 04:55:19 +0000 UTC". */
export function goTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const offset = -date.getTimezoneOffset();
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.trunc(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  const name =
    offset === 0
      ? 'UTC'
      : (new Intl.DateTimeFormat('en', { timeZoneName: 'short' })
          .formatToParts(date)
          .find(({ type }) => type === 'timeZoneName')?.value ?? zone);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())} ${zone} ${name}`;
}

/** The same for an RFC 3339 text, whose fraction is kept. */
export function goTimeOf(text: string): string {
  const fraction = /\.[0-9]*[1-9]/.exec(text)?.[0] ?? '';
  return goTime(Math.floor(Date.parse(text) / 1000)).replace(
    /:[0-9]{2} /,
    (seconds) => `${seconds.trimEnd()}${fraction} `,
  );
}

/** "a=1,b=2". */
export function labelList(labels: Record<string, string> | null | undefined): string {
  return Object.entries(labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

/** Go's strconv.Quote for what commands hold. */
export function quote(text: string): string {
  return JSON.stringify(text);
}
