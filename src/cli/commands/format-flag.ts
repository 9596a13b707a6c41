import { string } from '../command.ts';

/** --format of list commands, with docker's help text. */
export const listFormatFlag = string(
  '',
  `Format output using a custom template:
'table':            Print output in table format with column headers (default)
'table TEMPLATE':   Print output in table format using the given Go template
'json':             Print in JSON format
'TEMPLATE':         Print output using the given Go template.
Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates`,
);

/** --format of commands that print one object. */
export const objectFormatFlag = string(
  'f',
  `Format output using a custom template:
'json':             Print in JSON format
'TEMPLATE':         Print output using the given Go template.
Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates`,
);
