import { defineCommand, exactly } from '../command.ts';
import { SCRIPTS } from '../completion/scripts.ts';

export const command = defineCommand({
  use: 'bash|zsh|fish',
  summary: 'Generate the completion script of a shell',
  long: `Generate the completion script of a shell

bash:  gantry completion bash > /etc/bash_completion.d/gantry
zsh:   gantry completion zsh > "\${fpath[1]}/_gantry"
fish:  gantry completion fish > ~/.config/fish/completions/gantry.fish`,
  flags: {},
  args: exactly(1),
  complete: { kind: 'words', words: ['bash', 'zsh', 'fish'] },
  async run(ctx) {
    const script = SCRIPTS[ctx.args[0]!];
    if (!script) throw new Error(`unknown shell ${JSON.stringify(ctx.args[0])}: bash, zsh and fish are supported`);
    ctx.stdout.write(script);
  },
});
