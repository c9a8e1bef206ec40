#include "threads.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace espalier {
namespace {

// Kernels follow each other within some hundred microseconds, even across steps, but waking a sleeping thread takes
// tens of microseconds: a thread spins for this long before it sleeps.
constexpr auto AWAKE = std::chrono::microseconds(500);

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/** Spins until `done()`, for at most AWAKE. Returns whether it was done. */
template <class Done>
bool wait_awake(Done&& done) {
  constexpr int checks = 64;  // looking at the clock costs as much as a few of them
  const auto end = std::chrono::steady_clock::now() + AWAKE;
  do {
    for (int i = 0; i < checks; i++) {
      if (done()) return true;
      pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

/**
 * Threads that wait for rounds of work. A round is open until the caller has finished its own work: a thread that comes
 * later finds it closed, and nobody waits for it.
 */
class Pool {
 public:
  void run(int threads, void (*work)(void*, int), void* context) {
    std::unique_lock<std::mutex> turn(turn_, std::try_to_lock);
    // If another Node thread is using the pool, this one does all the work, with the same result.
    if (!turn.owns_lock() || !grow(threads - 1)) return work(context, 0);
    work_ = work;
    context_ = context;
    threads_ = threads;
    done_.store(0, std::memory_order_relaxed);
    const uint64_t round = (round_of(state_.load(std::memory_order_relaxed)) + 1) * ROUND;
    state_.store(round, std::memory_order_seq_cst);
    if (asleep_.load(std::memory_order_seq_cst) > 0) {
      std::lock_guard<std::mutex> lock(sleep_);
      wake_.notify_all();
    }
    attempt(0);
    const uint64_t members = state_.fetch_or(CLOSED, std::memory_order_acq_rel) & MEMBERS;
    const auto all_done = [&] { return done_.load(std::memory_order_acquire) == members; };
    if (!wait_awake(all_done))
      while (!all_done()) std::this_thread::yield();
    if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  /** Keeps an error for the caller, because the other threads still use what it owns. */
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
        std::thread([this, index = started_ + 1, round = round_of(state_.load())] { serve(index, round); }).detach();
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
      uint64_t state = state_.load(std::memory_order_acquire);
      while (!(state & CLOSED) && !state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel)) continue;
      seen = round_of(state);
      if (state & CLOSED) continue;
      if (index < threads_) attempt(index);
      done_.fetch_add(1, std::memory_order_release);
    }
  }

  void wait_for_round_after(uint64_t seen) {
    const auto is_there = [&] { return round_of(state_.load(std::memory_order_seq_cst)) != seen; };
    if (wait_awake(is_there)) return;
    std::unique_lock<std::mutex> lock(sleep_);
    asleep_.fetch_add(1, std::memory_order_seq_cst);
    wake_.wait(lock, is_there);
    asleep_.fetch_sub(1, std::memory_order_seq_cst);
  }

  // Layout of state_: the round's number, whether it is closed, and how many threads have joined it.
  static constexpr uint64_t CLOSED = 1 << 16, MEMBERS = CLOSED - 1, ROUND = CLOSED << 1;
  static uint64_t round_of(uint64_t state) { return state / ROUND; }

  std::mutex turn_, sleep_;
  std::condition_variable wake_;
  std::atomic<uint64_t> state_{CLOSED}, done_{0};
  std::atomic<int> asleep_{0};
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
thread_local bool is_alone = false;

}  // namespace

int thread_count() { return is_alone ? 1 : configured.load(std::memory_order_relaxed); }

Alone::Alone() : before_(is_alone) { is_alone = true; }
Alone::~Alone() { is_alone = before_; }

void set_thread_count(int count) { configured.store(count < 1 ? 1 : count, std::memory_order_relaxed); }

void run_on_threads(int threads, void (*work)(void*, int), void* context) {
  if (threads <= 1) work(context, 0);
  else pool().run(threads, work, context);
}

}  // namespace espalier
