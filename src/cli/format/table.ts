/**
 * Columns aligned as Go's text/tabwriter does with Docker's settings (least width 10, padding 3): a column is a run of
 * consecutive lines that have a cell there; what stands behind a line's last tab belongs to no column.
 */
export function alignTabs(text: string, minWidth = 10, padding = 3): string {
  const lines = text.split('\n').map((line) => line.split('\t'));
  const widths: number[][] = lines.map(() => []);
  const layOut = (from: number, to: number, column: number): void => {
    let line = from;
    while (line < to) {
      if (lines[line]!.length <= column + 1) {
        line++;
        continue;
      }
      let end = line;
      let width = minWidth;
      while (end < to && lines[end]!.length > column + 1) {
        width = Math.max(width, displayWidth(lines[end]![column]!) + padding);
        end++;
      }
      for (let index = line; index < end; index++) widths[index]![column] = width;
      layOut(line, end, column + 1);
      line = end;
    }
  };
  layOut(0, lines.length, 0);
  return lines
    .map((cells, line) =>
      cells
        .map((cell, column) => {
          const width = widths[line]![column];
          return width === undefined ? cell : cell + ' '.repeat(Math.max(0, width - displayWidth(cell)));
        })
        .join(''),
    )
    .join('\n');
}

/** Go's tabwriter counts characters. */
function displayWidth(text: string): number {
  return [...text].length;
}
