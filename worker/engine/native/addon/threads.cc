#include "threads.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "signals.h"

namespace hayate {
namespace {

// How long a thread looks for work before it sleeps: the next kernel of a step comes sooner, and waking a thread takes
// as long as many a kernel runs.
constexpr std::chrono::microseconds kPatience(100);

struct Job {
  const std::function<void(int)>* body;
  int parts;
  int taken = 0;  // guarded by the pool's mutex
  std::atomic<int> left;

  Job(const std::function<void(int)>* body, int parts) : body(body), parts(parts), left(parts) {}
};

inline void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Looks again and again until `found` is true or patience is over.
template <typename Found>
bool Look(const Found& found) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  do {
    for (int i = 0; i < 50; i++) {
      if (found()) return true;
      Pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

class Pool {
 public:
  void Run(int parts, const std::function<void(int)>& body) {
    Job job(&body, parts);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      Grow(parts - 1);
      jobs_.push_back(&job);
      open_.store(open_ + parts);
    }
    // A thread that still looks needs no waking.
    for (int woken = looking_; woken < parts - 1; woken++) work_.notify_one();
    Work(&job);
    if (Look([&] { return job.left == 0; })) {
      const std::lock_guard<std::mutex> lock(mutex_);  // the last thread may still be about to tell
      return;
    }
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [&] { return job.left == 0; });
  }

 private:
  void Grow(int threads) {
    if (threads_ >= threads) return;
    const SignalsHeld held;
    for (; threads_ < threads; threads_++) std::thread([this] { Serve(); }).detach();
  }

  // Takes a part of `job`, or, without one, of any; returns its job and its number.
  Job* Take(Job* job, int* part) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (job == nullptr) job = jobs_.empty() ? nullptr : jobs_.front();
    if (job == nullptr || job->taken == job->parts) return nullptr;
    *part = job->taken++;
    open_.store(open_ - 1);
    if (job->taken == job->parts) {
      for (auto at = jobs_.begin(); at != jobs_.end(); ++at) {
        if (*at != job) continue;
        jobs_.erase(at);
        break;
      }
    }
    return job;
  }

  // Works on parts of `job`, or of any, until none is open.
  void Work(Job* wanted) {
    int part = 0;
    while (Job* const job = Take(wanted, &part)) {
      (*job->body)(part);
      const std::lock_guard<std::mutex> lock(mutex_);  // the job lives until this is over
      if (--job->left == 0) done_.notify_all();
    }
  }

  void Serve() {
    for (;;) {
      Work(nullptr);
      looking_++;
      const bool found = Look([this] { return open_ > 0; });
      looking_--;
      if (found) continue;
      std::unique_lock<std::mutex> lock(mutex_);
      work_.wait(lock, [this] { return open_ > 0; });
    }
  }

  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable done_;
  std::deque<Job*> jobs_;
  int threads_ = 0;
  std::atomic<int> open_{0};
  std::atomic<int> looking_{0};
};

}  // namespace

void InParallel(int parts, const std::function<void(int)>& body) {
  if (parts <= 1) {
    if (parts == 1) body(0);
    return;
  }
  static Pool* const pool = new Pool;  // never destroyed: its threads end with the process
  pool->Run(parts, body);
}

}  // namespace hayate
