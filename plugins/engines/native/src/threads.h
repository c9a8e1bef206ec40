// The threads of this process that run kernels.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

namespace espalier {

/** Number of threads of a kernel, including the caller. Results do not depend on it. */
int thread_count();
void set_thread_count(int count);

/** While it exists, its thread works alone: `thread_count()` is 1. */
class Alone {
 public:
  Alone();
  ~Alone();
  Alone(const Alone&) = delete;
  Alone& operator=(const Alone&) = delete;

 private:
  bool before_;
};

/**
 * Calls work(context, thread) on the caller, as thread 0, and on those of threads 1 ... threads - 1 that get a core in
 * time; returns when all that began are done. Work is handed out on demand.
 */
void run_on_threads(int threads, void (*work)(void* context, int thread), void* context);

/** Calls body(thread) on up to `threads` threads, as many as come in time. */
template <class Body>
void on_threads(int threads, Body&& body) {
  typedef std::remove_reference_t<Body> Work;
  run_on_threads(
      threads, [](void* context, int thread) { (*static_cast<Work*>(context))(thread); }, &body);
}

struct Range {
  int64_t begin, end;
};

/**
 * Divides 0 ... count - 1 into equal parts for threads. Each thread takes parts from the front of its own share, whose
 * data is likely in its cache from the last time, and then from the back of others' shares. A thread that loses its
 * core is waited for only to finish the part it has begun.
 */
class Shares {
 public:
  /**
   * @param parts a multiple of `threads`, or close to one if `count` requires; @param unit parts start at its multiples
   */
  Shares(int64_t count, int64_t parts, int threads, int64_t unit = 1)
      : count_(count), parts_(parts < count ? parts : count), unit_(unit), threads_(threads < MOST ? threads : MOST) {
    for (int i = 0; i < threads_; i++)
      left_[i].parts.store(pair(parts_ * i / threads_, parts_ * (i + 1) / threads_), std::memory_order_relaxed);
  }

  /** Sets `part` to the next part for a thread. Returns false if nothing is left. */
  bool take(int thread, Range& part) {
    for (int i = 0; i < threads_; i++) {
      std::atomic<uint64_t>& parts = left_[(thread + i) % threads_].parts;
      uint64_t seen = parts.load(std::memory_order_relaxed);
      while (begin_of(seen) < end_of(seen)) {
        const bool own = i == 0;
        const uint64_t rest = own ? pair(begin_of(seen) + 1, end_of(seen)) : pair(begin_of(seen), end_of(seen) - 1);
        if (!parts.compare_exchange_weak(seen, rest, std::memory_order_relaxed)) continue;
        const int64_t taken = own ? begin_of(seen) : end_of(seen) - 1;
        part = {beginning_of(taken), beginning_of(taken + 1)};
        return true;
      }
    }
    return false;
  }

  /** Calls body(begin, end) for the parts that a thread takes. */
  template <class Body>
  void each(int thread, Body&& body) {
    for (Range part; take(thread, part);) body(part.begin, part.end);
  }

 private:
  static constexpr int MOST = 64;

  int64_t beginning_of(int64_t part) const {
    return part == parts_ ? count_ : count_ * part / parts_ / unit_ * unit_;
  }
  static uint64_t pair(int64_t begin, int64_t end) { return static_cast<uint64_t>(begin) << 32 | end; }
  static int64_t begin_of(uint64_t parts) { return parts >> 32; }
  static int64_t end_of(uint64_t parts) { return parts & 0xffffffffu; }

  struct alignas(64) Share {
    std::atomic<uint64_t> parts;
  };
  int64_t count_, parts_, unit_;
  int threads_;
  Share left_[MOST];
};

/** Number of parts per thread's share, so that others can take some. */
constexpr int64_t PARTS_OF_A_SHARE = 4;

/** Calls body(begin, end) over parts of 0 ... count - 1; on this thread alone if there is little work. */
template <class Body>
void parallel(int64_t count, int64_t work_each, Body&& body) {
  constexpr int64_t worth_a_thread = 16384;
  if (count < 1) return;
  const int64_t work = count * work_each, most = work / worth_a_thread;
  const int threads = most < thread_count() ? static_cast<int>(most) : thread_count();
  if (threads <= 1 || count == 1) return body(0, count);
  const int64_t of_each = most / threads;
  const int64_t parts = threads * (of_each < PARTS_OF_A_SHARE ? of_each : PARTS_OF_A_SHARE);
  constexpr int64_t line = 16;
  Shares shares(count, parts, threads, count < parts * line ? 1 : line);
  on_threads(threads, [&](int thread) { shares.each(thread, body); });
}

}  // namespace espalier
