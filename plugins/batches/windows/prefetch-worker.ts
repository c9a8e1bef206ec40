import { workerData } from 'node:worker_threads';
import type { OpenSharedModule } from '../../data/contract.js';
import { Slot, type Ring } from './prefetch-ring.js';

const { opener, ...ring } = workerData as Ring & { readonly opener: string };
const { measureInThread, openShared } = (await import(opener)) as OpenSharedModule;
const { flags, depth, starts, tokens } = ring;
const { batchSize, blockSize } = ring.shape;
const half = batchSize * blockSize;
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
  // Slots are asked for in turn, but the loop may have taken this one's batch itself: look at all before sleeping.
  const asked = Array.from({ length: depth }, (_, i) => (slot + i) % depth).find(
    (other) => Atomics.load(flags, other) === Slot.asked,
  );
  if (asked === undefined) Atomics.wait(flags, depth, rung);
  else slot = asked;
}

function fill(slot: number): number {
  try {
    for (let row = 0; row < batchSize; row++) {
      const start = starts[slot * batchSize + row] ?? 0;
      reader.read(start, blockSize, tokens, 2 * slot * half + row * blockSize);
      reader.read(start + 1, blockSize, tokens, (2 * slot + 1) * half + row * blockSize);
    }
    return Slot.ready;
  } catch {
    // The loop reads it again itself, and meets the error where it can be told.
    return Slot.failed;
  }
}
