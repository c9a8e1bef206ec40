import type { Command } from 'commander';
import { type CommandDefinition, type SetExitCode, Terminal, wholeFrom } from '../../command-line/contract.js';
import { newestRun, runArgument, withStoredFlags, type StoredFlags } from '../../runs/contract.js';
import {
  samplingAka,
  storedRequest,
  textOption,
  withEngineFlags,
  withSamplingFlags,
  type EngineFlags,
  type SamplingFlags,
} from '../choices/flags.js';

interface ChatFlags extends StoredFlags, EngineFlags, SamplingFlags {
  system?: string;
  chatTemplate?: string;
  tokens: number;
}

export const command: CommandDefinition = {
  order: 55,
  define,
  optionsAka: { ...samplingAka, max_length: '--tokens', max_new_tokens: '--tokens', system_prompt: '--system' },
};

function define(command: Command, setExitCode: SetExitCode): void {
  command
    .description('chat with a trained model: each line is a message; /reset starts over, /exit quits')
    .addArgument(runArgument());
  withStoredFlags(command)
    .option('--system <text>', 'system message that the conversation begins with', textOption)
    .option('--chat-template <name|file>', 'chatml, or a Jinja template (default: that of the training data)')
    .option('-n, --tokens <count>', 'largest number of tokens in an answer', wholeFrom(1), 512);
  withEngineFlags(withSamplingFlags(command)).action(async (from: string | undefined, flags: ChatFlags) => {
    const run = from ?? newestRun(process.cwd(), console.error);
    const { openAssistant } = await import('../chat/open.js');
    const { talk } = await import('../chat/talk.js');
    const opened = await openAssistant(run, storedRequest(flags), { ...flags, template: flags.chatTemplate });
    const terminal = new Terminal({ quiet: false });
    const note = (text: string): void => {
      terminal.line(text, 'warn');
    };
    try {
      const isTerminal = process.stdin.isTTY && process.stderr.isTTY;
      if (isTerminal) terminal.line(`${run}: Ctrl-C ends an answer, /reset starts over, /exit quits`);
      if (!opened.endsTurns) note('the chat template does not mark the end of an answer: set --stop');
      const place = { input: process.stdin, output: process.stdout, note };
      setExitCode(await talk(opened.assistant, { ...place, terminal: isTerminal ? process.stderr : undefined }));
    } finally {
      await opened.dispose();
    }
  });
}
