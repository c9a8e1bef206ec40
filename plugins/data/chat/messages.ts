import { ChatError, type ChatMessage } from './format.js';

const ROLES = ['system', 'user', 'assistant', 'tool'];
/** ShareGPT's names. */
const FROM: Readonly<Record<string, string>> = { human: 'user', gpt: 'assistant' };

/**
 * Returns the messages of a record: `{"messages": [{"role", "content"}]}`, or `{"conversations": [{"from", "value"}]}`.
 * @throws ChatError saying what is wrong with it
 */
export function messagesOf(record: object): ChatMessage[] {
  const fields = Object.keys(record).join(', ');
  const shareGpt = !('messages' in record) && 'conversations' in record;
  const [list, role, content] = shareGpt
    ? (['conversations', 'from', 'value'] as const)
    : (['messages', 'role', 'content'] as const);
  const turns: unknown = Reflect.get(record, list);
  if (turns === undefined) throw new ChatError(`has no list messages; its fields are ${fields}`);
  if (!Array.isArray(turns) || turns.length === 0) throw new ChatError(`has no messages in its field ${list}`);
  const messages = turns.map((turn: unknown, index) => messageIn(turn, { role, content, number: index + 1 }));
  if (!messages.some((message) => message.role === 'assistant'))
    throw new ChatError('has no assistant turn: there is nothing to learn from it; remove it');
  return messages;
}

function messageIn(turn: unknown, at: { role: string; content: string; number: number }): ChatMessage {
  const message = `message ${String(at.number)}`;
  if (typeof turn !== 'object' || turn === null) throw new ChatError(`has a ${message} that is not an object`);
  const named: unknown = Reflect.get(turn, at.role);
  const role = typeof named === 'string' ? (FROM[named] ?? named) : undefined;
  if (role === undefined || !ROLES.includes(role)) {
    const shown = named === undefined ? `no ${at.role}` : `the ${at.role} ${JSON.stringify(named)}`;
    throw new ChatError(`has a ${message} with ${shown}: give one of ${ROLES.join(', ')}`);
  }
  const content: unknown = Reflect.get(turn, at.content);
  if (typeof content !== 'string')
    throw new ChatError(`has a ${message} (${role}) whose ${at.content} is not text: give a string`);
  return { role, content: content.toWellFormed() };
}
