import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../../../core/errors.js';
import { measureInThread } from '../../profiler/contract.js';
import { writeFiles, type WriteAnswer, type WriteTask } from './write-files.js';

const answer: WriteAnswer = {};
try {
  await measureInThread('checkpoint writer', 'write checkpoint', () => writeFiles(workerData as WriteTask));
} catch (thrown) {
  answer.error = messageOf(thrown);
}
parentPort?.postMessage(answer);
