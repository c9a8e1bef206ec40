#include "threads.h"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace espalier {
namespace {

// A kernel follows the last one within some ten microseconds: waiting awake that long saves the cost of waking up,
// and not longer leaves the core to other threads of Node.
constexpr int SPINS = 4000;

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

class Pool {
 public:
  void run(int threads, void (*work)(void*, int), void* context) {
    std::unique_lock<std::mutex> turn(turn_, std::try_to_lock);
    // Another thread of Node is at work with the pool: this one does all parts itself, with the same result.
    if (!turn.owns_lock() || !grow(threads - 1)) {
      for (int i = 0; i < threads; i++) work(context, i);
      return;
    }
    work_ = work;
    context_ = context;
    threads_ = threads;
    left_.store(started_, std::memory_order_relaxed);
    round_.fetch_add(1, std::memory_order_seq_cst);
    if (asleep_.load(std::memory_order_seq_cst) > 0) {
      std::lock_guard<std::mutex> lock(sleep_);
      wake_.notify_all();
    }
    attempt(0);
    for (int spin = 0; left_.load(std::memory_order_acquire) > 0; spin++) {
      if (spin < SPINS) pause();
      else std::this_thread::yield();
    }
    if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  /** An error is kept for the caller: the other threads still use what it owns. */
  void attempt(int thread) {
    try {
      work_(context_, thread);
    } catch (...) {
      std::lock_guard<std::mutex> lock(sleep_);
      if (error_ == nullptr) error_ = std::current_exception();
    }
  }

  bool grow(int workers) {
    while (started_ < workers) {
      try {
        std::thread([this, index = started_ + 1, round = round_.load()] { serve(index, round); }).detach();
      } catch (const std::system_error&) {
        return false;
      }
      started_++;
    }
    return true;
  }

  void serve(int index, uint64_t seen) {
    for (;;) {
      wait_for_round_after(seen);
      seen++;
      if (index < threads_) attempt(index);
      left_.fetch_sub(1, std::memory_order_release);
    }
  }

  void wait_for_round_after(uint64_t seen) {
    for (int spin = 0; spin < SPINS; spin++) {
      if (round_.load(std::memory_order_acquire) != seen) return;
      pause();
    }
    std::unique_lock<std::mutex> lock(sleep_);
    asleep_.fetch_add(1, std::memory_order_seq_cst);
    wake_.wait(lock, [&] { return round_.load(std::memory_order_seq_cst) != seen; });
    asleep_.fetch_sub(1, std::memory_order_seq_cst);
  }

  std::mutex turn_, sleep_;
  std::condition_variable wake_;
  std::atomic<uint64_t> round_{0};
  std::atomic<int> left_{0}, asleep_{0};
  int started_ = 0, threads_ = 0;
  void (*work_)(void*, int) = nullptr;
  void* context_ = nullptr;
  std::exception_ptr error_;
};

// Never destroyed: its threads end with the process.
Pool& pool() {
  static Pool* instance = new Pool;
  return *instance;
}

std::atomic<int> configured{1};

}  // namespace

int thread_count() { return configured.load(std::memory_order_relaxed); }

void set_thread_count(int count) { configured.store(count < 1 ? 1 : count, std::memory_order_relaxed); }

void run_on_threads(int threads, void (*work)(void*, int), void* context) {
  if (threads <= 1) work(context, 0);
  else pool().run(threads, work, context);
}

}  // namespace espalier
