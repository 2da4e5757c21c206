// Gradients that leave a GPU and sums that come to it, on an emulated one, for gpu-transfers.test.ts: a host that does what
// a training may do, in any order, for each seed. Tensors come and go in one piece of memory; numbers say which tensor they are
// of. Says what it did, or ends with 1.
#include <algorithm>
#include <cstdint>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "../addon/best_fit.h"
#include "../addon/gpu_arrivals_gpu.h"
#include "../addon/gpu_departures_gpu.h"
#include "../addon/gpu_transfers_gpu.h"
#include "emulated_streams.h"

namespace {

bool told = false, refuses_waits = false;
const hayate::cuda::Driver plain = emulated::StreamDriver();

}  // namespace

// As it is, but it may say what is asked of it, and refuse to wait for words.
hayate::cuda::Driver hayate::cuda::Emulated() {
  Driver d = plain;
  d.wait_value = [](Stream stream, Pointer word, unsigned value, unsigned how) {
    if (refuses_waits) return 801;
    if (told) std::cout << "wait\n";
    return plain.wait_value(stream, word, value, how);
  };
  d.to_device = [](Pointer to, const void* from, size_t bytes, Stream stream) {
    if (told) std::cout << "in " << bytes << '\n';
    return plain.to_device(to, from, bytes, stream);
  };
  d.to_host = [](void* to, Pointer from, size_t bytes, Stream stream) {
    if (told) std::cout << "out " << bytes << '\n';
    return plain.to_host(to, from, bytes, stream);
  };
  return d;
}

namespace {

using hayate::Ticket;

[[noreturn]] void Fail(const std::string& what) { throw std::runtime_error(what); }

// Numbers of one owner, each of them another.
void Fill(float* numbers, size_t count, unsigned owner) {
  for (size_t at = 0; at < count; at++) numbers[at] = static_cast<float>((owner * 7919 + at) % 1000003);
}
void Expect(const float* numbers, size_t count, unsigned owner, const char* what) {
  for (size_t at = 0; at < count; at++) {
    if (numbers[at] != static_cast<float>((owner * 7919 + at) % 1000003)) {
      Fail(std::string(what) + ": number " + std::to_string(at) + " of " + std::to_string(count) + " is another's");
    }
  }
}

struct Counts {
  size_t sent = 0, waited = 0, brought = 0, too_early = 0, settled_before = 0, settled_after = 0;
};

// A tensor, or a room for a sum.
struct Tensor {
  float* numbers;
  size_t count;
  unsigned owner;
};

struct Leaving {
  // Of the whole call: a part has left once all of its lanes have.
  hayate::Device::Tickets tickets;
  float* to;
  size_t first, count;
  unsigned owner;
};

struct Coming {
  Ticket ticket;
  // Goes when nobody holds it any more.
  std::shared_ptr<const Tensor> room;
  float* from;
  bool is_brought = false, is_settled = false;
};

class Host {
 public:
  explicit Host(unsigned seed) : random_(seed) {
    emulated::chance.seed(seed);
    hayate::cuda::Check(driver_.stream_create(&compute_, 0, 0), "making a stream");
    memory_.resize(kMemory / sizeof(float) + 16);
    base_ = memory_.data() + (64 - reinterpret_cast<uintptr_t>(memory_.data()) % 64) / sizeof(float);
    pinned_numbers_.resize(kPinned);
    kernels_ = std::make_unique<hayate::GpuKernels>(0, compute_);
    pinned_ = std::make_unique<hayate::GpuPinned>();
    // One half is page-locked, and few bytes of it may go by kernels.
    pinned_->Pin(pinned_numbers_.data(), kPinned / 2 * sizeof(float));
    transfers_ = std::make_unique<hayate::GpuTransfers>(compute_);
    departures_ = std::make_unique<hayate::GpuDepartures>(compute_, *kernels_, *pinned_);
    arrivals_ = std::make_unique<hayate::GpuArrivals>(compute_);
  }

  ~Host() {
    arrivals_.reset();
    departures_.reset();
    transfers_.reset();
    kernels_.reset();
    driver_.stream_synchronize(compute_);
    driver_.stream_destroy(compute_);
  }

  // As a training does that ends, or fails in the middle of a step.
  Counts Run(int things, bool gives_up) {
    for (int at = 0; at < things; at++) {
      switch (random_() % 8) {
        case 0: Send(); break;
        case 1: Free(); break;
        case 2: ExpectSum(); break;
        case 3: MoveOn(random_()); break;
        case 4: Drop(); break;
        case 5: if (random_() % 4 == 0) LookAtSent(random_() % 2 == 0); break;
        default: Make();
      }
    }
    if (gives_up) {
      GiveUp();
    } else {
      End();
    }
    return counts_;
  }

 private:
  static constexpr size_t kMemory = 72 << 20, kPinned = 18 << 20;

  size_t SomeCount() {
    switch (random_() % 12) {
      case 0:
        // Large, in one piece and in several.
        return (random_() % 3 == 0 ? 25 << 20 : 5 << 20) / sizeof(float) + random_() % 1000;
      case 1:
      case 2:
        return (1 << 20) / sizeof(float) + random_() % 1000;  // small
      default:
        return 1 + random_() % 3000;  // few
    }
  }

  // Undefined numbers; none where all memory is in use.
  bool Take(size_t count, Tensor* made) {
    const size_t start = places_.Take(count * sizeof(float));
    if (places_.end() > kMemory) {
      places_.Give(start);
      return false;
    }
    *made = {base_ + start / sizeof(float), count, ++owners_};
    return true;
  }

  void GiveBack(const Tensor& tensor) {
    if (departures_ != nullptr) departures_->Leave(reinterpret_cast<const char*>(tensor.numbers));
    places_.Give((tensor.numbers - base_) * sizeof(float));
  }

  // Memory of the host that nobody uses.
  float* SomeHost(size_t count) {
    const size_t start = host_places_.Take(count * sizeof(float)) / sizeof(float);
    if (start + count > kPinned) {
      host_places_.Give(start * sizeof(float));
      return nullptr;
    }
    return pinned_numbers_.data() + start;
  }
  void GiveHost(const float* numbers) { host_places_.Give((numbers - pinned_numbers_.data()) * sizeof(float)); }

  // A kernel makes a tensor.
  void Make() {
    Tensor made;
    if (!Take(SomeCount(), &made)) return;
    emulated::Add(compute_, [made] { Fill(made.numbers, made.count, made.owner); });
    tensors_.push_back(made);
  }

  void Free() {
    if (tensors_.empty()) return;
    const size_t at = random_() % tensors_.size();
    const Tensor tensor = tensors_[at];
    emulated::Add(compute_, [tensor] { Expect(tensor.numbers, tensor.count, tensor.owner, "a tensor in use"); });
    GiveBack(tensor);
    tensors_.erase(tensors_.begin() + at);
  }

  // Parts of one or two tensors leave together.
  void Send() {
    std::vector<hayate::GpuDepartures::Part> parts;
    std::vector<Leaving> leaving;
    for (int more = 1 + random_() % 2; more > 0 && !tensors_.empty(); more--) {
      const Tensor& tensor = tensors_[random_() % tensors_.size()];
      const size_t first = random_() % 2 == 0 ? 0 : random_() % tensor.count, count = tensor.count - first;
      float* const to = SomeHost(count);
      if (to == nullptr) continue;
      parts.push_back({reinterpret_cast<const char*>(tensor.numbers),
                       {reinterpret_cast<char*>(tensor.numbers + first), count * sizeof(float)},
                       to});
      leaving.push_back({{}, to, first, count, tensor.owner});
    }
    const auto tickets = departures_->Send(parts);
    for (Leaving& each : leaving) {
      each.tickets = tickets;
      sent_.push_back(each);
    }
    counts_.sent += leaving.size();
  }

  bool HasArrived(const Leaving& leaving, bool wait) {
    for (const Ticket ticket : leaving.tickets) {
      if (ticket == 0) continue;
      if (wait) departures_->Wait(ticket);
      if (!departures_->Arrived(ticket)) return false;
    }
    return true;
  }

  void LookAtSent(bool wait) {
    // Nobody waits for a GPU that waits for him.
    if (wait && arrivals_->IsWaiting()) BringAll();
    counts_.waited += wait ? 1 : 0;
    std::vector<Leaving> left;
    for (const Leaving& each : sent_) {
      if (!HasArrived(each, wait)) {
        left.push_back(each);
        continue;
      }
      for (size_t at = 0; at < each.count; at += 97) {
        if (each.to[at] != static_cast<float>((each.owner * 7919 + each.first + at) % 1000003)) Fail("what was sent is another's");
      }
      GiveHost(each.to);
    }
    sent_ = left;
  }

  // A sum will come into a room of its own, which others have used before.
  void ExpectSum() {
    Tensor room;
    const size_t count = SomeCount();
    float* const from = SomeHost(count);
    if (from == nullptr) return;
    if (!Take(count, &room)) return GiveHost(from);
    Fill(from, count, room.owner);
    const hayate::Region place{reinterpret_cast<char*>(room.numbers), count * sizeof(float)};
    const std::shared_ptr<const Tensor> held(new Tensor(room), [this](const Tensor* gone) {
      GiveBack(*gone);
      if (has_given_up_) {
        // The next one has it at once.
        const Tensor next{gone->numbers, gone->count, ++owners_};
        emulated::Add(compute_, [next] { Fill(next.numbers, next.count, next.owner); });
        given_up_.push_back(next);
      }
      delete gone;
    });
    coming_.push_back({arrivals_->Expect(place, false, [held] {}), held, from});
  }

  void Bring(Coming& coming) {
    if (coming.is_brought) return;
    const bool done = arrivals_->Bring(coming.ticket, coming.from, coming.room->count * sizeof(float));
    coming.is_brought = done;
    (done ? counts_.brought : counts_.too_early) += 1;
  }

  void BringAtLast(Coming& coming) {
    while (!coming.is_brought) {
      Bring(coming);
      if (!coming.is_brought && !emulated::Advance()) Fail("a sum can never be brought");
    }
  }

  // All that the GPU waits for.
  void BringAll() {
    for (Coming& each : coming_) {
      if (each.is_settled) BringAtLast(each);
    }
  }

  // A sum is brought, or needed, in either order.
  void MoveOn(unsigned which) {
    if (coming_.empty()) return;
    Coming& coming = coming_[which % coming_.size()];
    if (which % 3 != 0) Bring(coming);
    if (which % 2 != 0 || coming.is_settled) return;
    coming.is_settled = arrivals_->Settle(coming.ticket);
    if (!coming.is_settled) Fail("this GPU can wait");
    (coming.is_brought ? counts_.settled_after : counts_.settled_before) += 1;
    CheckSum(*coming.room);
  }

  void CheckSum(const Tensor& room) {
    emulated::Add(compute_, [this, room] {
      if (!has_given_up_) Expect(room.numbers, room.count, room.owner, "a sum");
    });
  }

  // A sum was taken in: its room goes, once it has been brought.
  void Drop() {
    if (coming_.empty()) return;
    const size_t at = random_() % coming_.size();
    Coming& coming = coming_[at];
    if (!coming.is_settled || !coming.is_brought) return;
    // What it came from may change when that has happened.
    const float* const from = coming.from;
    over_.push_back(from);
    if (over_.size() > 8) {
      if (arrivals_->IsWaiting()) BringAll();
      hayate::cuda::Check(driver_.stream_synchronize(compute_), "waiting");
      for (const float* const each : over_) GiveHost(each);
      over_.clear();
    }
    coming_.erase(coming_.begin() + at);
  }

  void End() {
    BringAll();
    LookAtSent(true);
    if (!sent_.empty()) Fail("something that was waited for has not left");
    for (Coming& each : coming_) {
      BringAtLast(each);
      if (each.is_settled) continue;
      arrivals_->Settle(each.ticket);
      CheckSum(*each.room);
    }
    if (arrivals_->IsWaiting()) Fail("the GPU is still said to wait");
    departures_->Finish();
    hayate::cuda::Check(driver_.stream_synchronize(compute_), "waiting");
    arrivals_->Finish();
    (void)arrivals_->Stalled();
  }

  // Who was not brought never will be, and others are on their way: what has used their memory must not be written afterwards.
  void GiveUp() {
    for (const Tensor& tensor : tensors_) GiveBack(tensor);
    tensors_.clear();
    has_given_up_ = true;
    coming_.clear();
    if (random_() % 2 == 0) {
      arrivals_->Abandon();
      departures_->Finish();
      hayate::cuda::Check(driver_.stream_synchronize(compute_), "waiting");
      arrivals_->Finish();
    }
    arrivals_.reset();
    departures_.reset();
    while (emulated::Advance()) continue;
    for (const Tensor& each : given_up_) Expect(each.numbers, each.count, each.owner, "memory of a sum that was given up");
    if (places_.bytes() != 0) Fail("memory is held by nobody");
  }

  const hayate::cuda::Driver& driver_ = hayate::cuda::Load();
  std::mt19937 random_;
  hayate::cuda::Stream compute_ = nullptr;
  std::vector<float> memory_, pinned_numbers_;
  float* base_;
  hayate::BestFit places_, host_places_;
  unsigned owners_ = 0;
  std::unique_ptr<hayate::GpuKernels> kernels_;
  std::unique_ptr<hayate::GpuPinned> pinned_;
  std::unique_ptr<hayate::GpuTransfers> transfers_;
  std::unique_ptr<hayate::GpuDepartures> departures_;
  std::unique_ptr<hayate::GpuArrivals> arrivals_;
  std::vector<Tensor> tensors_;
  std::vector<Leaving> sent_;
  std::vector<Coming> coming_;
  std::vector<const float*> over_;
  Counts counts_;
  bool has_given_up_ = false;
  std::vector<Tensor> given_up_;
};

// A stream of a driver that can wait for a word, or cannot, and what a large copy each way asks of it: a line for each thing.
void Turns(bool can_wait) {
  std::vector<float> host(5 << 20), gpu(host.size());
  Fill(host.data(), host.size(), 1);
  hayate::cuda::Stream stream = nullptr;
  hayate::cuda::Load().stream_create(&stream, 0, 0);
  told = true;
  refuses_waits = !can_wait;
  hayate::GpuTurns turns;
  const auto on_gpu = reinterpret_cast<hayate::cuda::Pointer>(gpu.data());
  turns.ToDevice(on_gpu, host.data(), host.size() * sizeof(float), stream);
  hayate::cuda::Load().stream_synchronize(stream);
  Expect(gpu.data(), gpu.size(), 1, "a large copy");
  host.assign(host.size(), 0);
  turns.ToHost(host.data(), on_gpu, host.size() * sizeof(float), stream);
  hayate::cuda::Load().stream_synchronize(stream);
  Expect(host.data(), host.size(), 1, "a large copy");
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) {
    Turns(count == 1);
    return 0;
  }
  Counts all;
  const unsigned first = std::stoul(arguments[1]), seeds = std::stoul(arguments[2]);
  for (unsigned seed = first; seed < first + seeds; seed++) {
    try {
      auto* const host = new Host(seed);  // stays where something is wrong
      const Counts c = host->Run(400, seed % 3 == 0);
      delete host;
      all.sent += c.sent, all.waited += c.waited, all.brought += c.brought, all.too_early += c.too_early;
      all.settled_before += c.settled_before, all.settled_after += c.settled_after;
    } catch (const std::exception& error) {
      std::cerr << "seed " << seed << ": " << error.what() << std::endl;
      std::_Exit(1);
    }
  }
  std::cout << all.sent << ' ' << all.waited << ' ' << all.brought << ' ' << all.too_early << ' ' << all.settled_before << ' '
            << all.settled_after << '\n';
  return 0;
}
