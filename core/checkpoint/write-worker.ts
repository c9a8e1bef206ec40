import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../errors.js';
import { writeFiles, type WriteAnswer, type WriteTask } from './write-files.js';

const answer: WriteAnswer = {};
try {
  await writeFiles(workerData as WriteTask);
} catch (thrown) {
  answer.error = messageOf(thrown);
}
parentPort?.postMessage(answer);
