import readline from 'node:readline';
import { isUsageError, messageOf } from '../../../core/errors.js';
import { exitCodeOfSignal, onStop } from '../../command-line/contract.js';
import type { Assistant } from './assistant.js';

/** Input and output of a conversation. */
export interface Place {
  readonly input: NodeJS.ReadableStream;
  /** Receives the answers and nothing else. */
  readonly output: NodeJS.WritableStream;
  /** Shows a prompt for input; undefined if lines come from a file or another program. */
  readonly terminal?: NodeJS.WritableStream | undefined;
  /** Prints everything that is not an answer. */
  readonly note: (text: string) => void;
}

/**
 * Answers each line until the input ends, `/exit` or a signal. On a terminal, Ctrl-C ends the answer or, at the prompt,
 * the conversation; a message that cannot be answered is reported and skipped.
 * @returns the exit code
 */
export async function talk(assistant: Assistant, place: Place): Promise<number> {
  const { input, terminal } = place;
  const lines = readline.createInterface({
    input,
    ...(terminal === undefined ? { terminal: false } : { output: terminal, terminal: true, prompt: '> ' }),
  });
  let answering: AbortController | undefined;
  let exitCode = 0;
  const leave = (code: number): void => {
    exitCode = code;
    answering?.abort();
    lines.close();
  };
  const interrupt = (): void => {
    if (answering === undefined || answering.signal.aborted) leave(exitCodeOfSignal('SIGINT'));
    else answering.abort();
  };
  lines.on('SIGINT', interrupt);
  const stopListening = onStop((signal) => {
    if (signal === 'SIGINT' && terminal !== undefined) interrupt();
    else leave(exitCodeOfSignal(signal));
  });
  try {
    if (terminal !== undefined) lines.prompt();
    for await (const line of lines) {
      if (line === '/exit') break;
      if (line === '/reset') {
        assistant.reset();
        place.note('new conversation');
      } else if (line.trim() !== '') {
        answering = new AbortController();
        await reply(assistant, line, answering.signal, place);
        answering = undefined;
      }
      if (exitCode !== 0) break;
      if (terminal !== undefined) lines.prompt();
    }
    return exitCode;
  } finally {
    stopListening();
    lines.close();
  }
}

async function reply(
  assistant: Assistant,
  line: string,
  signal: AbortSignal,
  { output, terminal, note }: Place,
): Promise<void> {
  const onDropped = (turns: number): void => {
    note(`the window is full: the oldest ${turns === 1 ? 'turn is' : `${String(turns)} turns are`} dropped`);
  };
  try {
    for await (const piece of assistant.answer(line, { signal, onDropped })) output.write(piece);
    output.write('\n');
  } catch (thrown) {
    if (terminal === undefined || !isUsageError(thrown)) throw thrown;
    note(messageOf(thrown));
  }
}
