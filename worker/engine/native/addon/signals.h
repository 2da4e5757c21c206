// Signals and oneDNN do not go together: its matrix products for AVX2 and AVX-512 keep numbers below the end of the
// stack, where the kernel puts the frame of a signal handler. A handler that runs meanwhile, a profiler's for example,
// destroys them, and with them memory anywhere. So signals wait while ops run, and threads that run ops get none.
#pragma once

#include <pthread.h>
#include <signal.h>

namespace hayate {

// Holds back this thread's signals during its life; threads that are started meanwhile never get any.
class SignalsHeld {
 public:
  SignalsHeld() {
    sigset_t all;
    sigfillset(&all);
    // These tell of faults of the thread itself and cannot wait.
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS}) sigdelset(&all, fault);
    pthread_sigmask(SIG_BLOCK, &all, &before_);
  }
  ~SignalsHeld() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;

 private:
  sigset_t before_;
};

}  // namespace hayate
