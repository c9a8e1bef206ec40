import { workerData } from 'node:worker_threads';
import type { OpenSharedModule } from '../../data/contract.js';
import { arraysIn, Slot, type PrefetchSetup } from './prefetch.js';
import { readInto } from './read-batch.js';

const { opener, ...ring } = workerData as PrefetchSetup;
const { measureInThread, openShared } = (await import(opener)) as OpenSharedModule;
const { flags, depth, numbers, packing } = ring;
const { batchSize } = ring.shape;
const reader = await openShared(ring.source);

for (let slot = 0; ;) {
  const rung = Atomics.load(flags, depth);
  if (Atomics.compareExchange(flags, slot, Slot.asked, Slot.reading) === Slot.asked) {
    Atomics.store(
      flags,
      slot,
      measureInThread('prefetch', 'read batch', () => fill(slot)),
    );
    Atomics.notify(flags, slot);
    slot = (slot + 1) % depth;
    continue;
  }
  // Slots are requested in turn, but the loop may have read this one's batch itself: check all slots before sleeping.
  const asked = Array.from({ length: depth }, (_, i) => (slot + i) % depth).find(
    (other) => Atomics.load(flags, other) === Slot.asked,
  );
  if (asked === undefined) Atomics.wait(flags, depth, rung);
  else slot = asked;
}

function fill(slot: number): number {
  try {
    readInto(reader, packing, numbers.subarray(slot * batchSize, (slot + 1) * batchSize), arraysIn(ring, slot));
    return Slot.ready;
  } catch {
    // The loop reads the batch again itself, and reports the error.
    return Slot.failed;
  }
}
