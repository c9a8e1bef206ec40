// The threads of this process that share the kernels' work.
#pragma once

#include <cstdint>

namespace espalier {

/** How many threads work on a kernel, the caller among them. Results do not depend on it. */
int thread_count();
void set_thread_count(int count);

/** Calls work(context, thread) on every thread at once, for thread = 0 ... threads - 1, and returns when all are done. */
void run_on_threads(int threads, void (*work)(void* context, int thread), void* context);

/** body(thread, threads) on as many threads as there are. */
template <class Body>
void on_threads(int threads, Body&& body) {
  struct Call {
    Body* body;
    int threads;
  } call{&body, threads};
  run_on_threads(
      threads, [](void* context, int thread) {
        auto* call = static_cast<Call*>(context);
        (*call->body)(thread, call->threads);
      },
      &call);
}

struct Range {
  int64_t begin, end;
};

/** The part of 0 ... count - 1 that falls to a thread: the same every time. */
static inline Range share_of(int64_t count, int thread, int threads) {
  return {count * thread / threads, count * (thread + 1) / threads};
}

/** body(begin, end) over the parts of 0 ... count - 1; on this thread alone when there is little to do. */
template <class Body>
void parallel(int64_t count, int64_t work_each, Body&& body) {
  constexpr int64_t worth_a_thread = 16384;
  int threads = thread_count();
  if (count < threads) threads = count < 1 ? 1 : static_cast<int>(count);
  if (count * work_each < 2 * worth_a_thread) threads = 1;
  on_threads(threads, [&](int thread, int all) {
    const Range part = share_of(count, thread, all);
    if (part.begin < part.end) body(part.begin, part.end);
  });
}

}  // namespace espalier
