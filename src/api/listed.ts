/** Problems as Docker's messages list them: one as it is, several as lines with an asterisk. */
export function listed(problems: readonly string[]): string {
  if (problems.length === 1) return problems[0]!.trim();
  return problems.map((problem) => `* ${problem.replaceAll('\n', '\n\t')}`).join('\n');
}
