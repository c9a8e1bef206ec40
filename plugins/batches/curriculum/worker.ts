import { parentPort, workerData } from 'node:worker_threads';
import type { TokenReader } from '../../../core/index.js';
import type { OpenSharedModule } from '../../data/contract.js';
import { Candidates } from './candidates.js';
import { corpusCounts } from './corpus.js';
import type { Answer, Question, Rank, WorkerSetup } from './protocol.js';

interface Opened {
  readonly reader: TokenReader;
  readonly corpus: number[];
  readonly measure: OpenSharedModule['measureInThread'];
}

const setup = workerData as WorkerSetup;
const opened = open();
const THREAD = 'curriculum';
let candidates: Candidates | undefined;
let last: Promise<void> = opened.then(
  () => undefined,
  (thrown: unknown) => {
    fail(thrown);
  },
);

parentPort?.on('message', (question: Question) => {
  last = last.then(() => answer(question)).catch(fail);
});

async function open(): Promise<Opened> {
  const { openShared, measureInThread } = (await import(setup.opener)) as OpenSharedModule;
  const reader = await openShared(setup.source);
  const { counts, note } = measureInThread(THREAD, 'count corpus', () => corpusCounts(reader, setup, setup.cache));
  send({ type: 'corpus', counts, note });
  return { reader, corpus: counts, measure: measureInThread };
}

async function answer(question: Question): Promise<void> {
  const { reader, corpus, measure } = await opened;
  const among = candidates;
  if (question.type === 'begin') {
    candidates = measure(THREAD, 'begin', () => new Candidates(reader, setup.blockSize, { ...question, corpus }));
  } else if (among !== undefined) {
    measure(THREAD, 'rank round', () => {
      rank(among, question);
    });
  }
}

function rank(among: Candidates, { generation, chunks }: Rank): void {
  for (const start of chunks) among.add(start, setup.round);
  const best = among.best(setup.round, setup.kept);
  const length = setup.blockSize + 1;
  const tokens = new Int32Array(best.length * length);
  best.forEach((candidate, index) => {
    tokens.set(candidate.tokens, index * length);
  });
  const starts = best.map(({ start }) => start);
  send({ type: 'round', generation, starts, tokens, pool: among.starts }, [tokens.buffer]);
}

function fail(thrown: unknown): void {
  send({ type: 'failed', message: thrown instanceof Error ? thrown.message : String(thrown) });
}

function send(what: Answer, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(what, transfer);
}
