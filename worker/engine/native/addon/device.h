// Where a context's tensors live: their memory, how bytes get in and out, and the kernels of our own. Handles are
// TensorFlow's. Everything is in the order of the calls, whether it has happened or not when a call returns.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "convolution.h"
#include "failure.h"
#include "host_kernels.h"
#include "optimizer.h"
#include "tensorflow/c/c_api.h"
#include "tensorflow/c/eager/c_api.h"

namespace hayate {

struct Region {
  char* start;
  size_t bytes;
};

// A transfer under way, above 0; 0 is over.
using Ticket = uint64_t;

struct MemoryStatistics {
  int64_t in_use, peak, limit, largest, reserved;
};

// A gradient on its way into a variable: on the host, or in a tensor's memory.
struct Gradient {
  const float* host;
  const float* tensor;
};

struct Normalisation {
  int64_t rows;
  int channels;
  float epsilon;
  bool relu;
};

// result[rows][columns] = a[rows][inner] × b[inner][columns]; a transposed factor lies as [inner][rows], [columns][inner].
struct MatrixProduct {
  bool transpose_a, transpose_b;
  int64_t rows, columns, inner;
};

// What is done to each element by itself. The numbers are those of device_kernels.cu.
enum class Elementwise { kAdd = 0, kMultiply = 1, kDivide = 2, kFloor = 3, kRelu = 4 };

class Device {
 public:
  virtual ~Device() = default;

  // Memory of a tensor, wherever it is, without waiting for what is being computed.
  virtual Region RegionOf(TFE_TensorHandle* handle) const = 0;
  // False where a tensor of this device has its memory on the host, as TensorFlow's small integers have.
  virtual bool IsHere(TFE_TensorHandle* handle) const = 0;

  // A new tensor with undefined contents.
  virtual TFE_TensorHandle* Allocate(TF_DataType type, const std::vector<int64_t>& shape) = 0;
  // Tensors of `length` numbers in one piece of memory, which goes with the last of them.
  virtual std::vector<TFE_TensorHandle*> AllocateTogether(int64_t length, size_t count) = 0;
  // The same memory under another shape of as many elements.
  virtual TFE_TensorHandle* View(TFE_TensorHandle* handle, const std::vector<int64_t>& shape) = 0;
  virtual void Fill(const Region& to, const void* from) = 0;
  virtual void Copy(const Region& to, const char* from) = 0;
  // Bytes of the host will come to `place`, which is a part of that tensor and not empty, beside what is being computed.
  // It is vacant where everything that has used it is known to be over. If the tensor goes, its memory stays until they
  // have been brought and settled.
  virtual Ticket Expect(TFE_TensorHandle* in, const Region& place, bool is_vacant) = 0;
  // Copies as many bytes there as are expected; false while the place is in use: they are to be brought later then. They
  // must stay as they are until something that was asked for behind Settle has happened.
  virtual bool Bring(Ticket expected, const void* from, size_t bytes) = 0;
  // Whatever is asked for later finds the bytes there, even if they are yet to be brought; false where they must have
  // been brought.
  virtual bool Settle(Ticket expected) = 0;
  // Milliseconds that the device has stood still in Settle, of what is known and was not told before.
  virtual double Stalled() { return 0; }
  // Waits until the bytes are there.
  virtual void Read(const Region& from, void* to) = 0;

  // A tensor is about to go; its memory with it, unless another tensor has it too.
  virtual void Leave(TFE_TensorHandle*) {}

  // Parts of tensors of this device that go to the host together. None is empty.
  struct Sending {
    TFE_TensorHandle* tensor;
    Region part;
    void* to;
  };
  // Of tickets that are alike but for multiples of this the lower one arrives first.
  static constexpr size_t kLanes = 3;
  // By lane, what has arrived last when all of them have; 0 for none.
  using Tickets = std::array<Ticket, kLanes>;
  // Copies them; returns at once. Their memory must not be written before the bytes have arrived; if a tensor goes before,
  // whatever is asked for later waits for that.
  virtual Tickets Send(const std::vector<Sending>& parts) = 0;
  virtual bool Arrived(Ticket ticket) = 0;
  virtual void Wait(Ticket ticket) = 0;
  // Tells the device that memory of the host will be copied from and to.
  virtual void Pin(void* memory, size_t bytes) = 0;
  virtual void Unpin(void* memory) = 0;
  // Waits for everything that was asked for.
  virtual void Finish() {}
  // Nothing that was expected will be brought any more: what waits for that goes on, with whatever lies there.
  virtual void Abandon() {}

  // False when the gradient is known not to be finite; where that is known later, Failed() returns `tag` then. An update
  // may be put off, to be started with others, until something else is asked of the device.
  virtual bool Update(const Sgd& settings, float* variable, Gradient sum, double scale, size_t length, int tag) = 0;
  virtual bool Update(const Momentum& settings, float* variable, float* velocity, Gradient sum, double scale,
                      size_t length, int tag) = 0;
  virtual bool Update(const Adam& settings, float* variable, float* first, float* second, Gradient sum, double scale,
                      size_t length, int tag) = 0;
  // variable = sum × scale
  virtual bool Average(float* variable, Gradient sum, double scale, size_t length, int tag) = 0;
  // Starts what was put off: before TensorFlow is asked for anything that is not asked through this class.
  virtual void Flush() {}
  // Tag of an update that has met a number that is not finite, or 0; forgets it.
  virtual int Failed() = 0;

  // values[outer][channels][inner] += bias[channels], then, with `relu`, negative sums become 0.
  virtual void AddBias(float* values, const float* bias, int64_t outer, int64_t channels, int64_t inner, bool relu) = 0;
  // sums[channels] of values[outer][channels][inner].
  virtual void PlaneSums(const float* values, float* sums, int64_t outer, int64_t channels, int64_t inner) = 0;
  // Ways to compute a convolution, fastest first; measured when asked for the first time. None where TensorFlow's ops do it.
  virtual std::vector<Cost> Algorithms(const Convolution& convolution) = 0;
  // Computes the one of the three tensors that is the product, in the fastest way that takes `most_bytes` besides.
  // False where there is none.
  virtual bool Convolve(const Convolution& convolution, const ConvolutionTensors& tensors, int64_t most_bytes) = 0;
  // False where this device has no way of its own. Nothing is 0.
  virtual bool Multiply(const MatrixProduct&, const float*, const float*, float*) { return false; }
  // target[i] = a[i] op b[i], or b[0] where `is_scalar`; what an op has no use for is null.
  virtual void Apply(Elementwise, const float*, const float*, bool /*is_scalar*/, float*, int64_t) { RefuseHere(); }
  // loss = mean over rows of logits[rows][classes] of the cross entropy of their softmax with the label of each, a class;
  // NaN where one is none.
  virtual void CrossEntropy(const float*, const int32_t*, int64_t, int64_t, float*) { RefuseHere(); }
  // target = its gradient for the logits, times *dy.
  virtual void CrossEntropyGrad(const float*, const float*, const int32_t*, int64_t, int64_t, float*) { RefuseHere(); }
  virtual void MaxPool(const Window&, const float*, float*) { RefuseHere(); }
  virtual void MaxPoolGrad(const Window& window, const float* image, const float* dy, float* target, float floor) = 0;
  // Convolutions of host_kernels.h.
  virtual void SmallConvolution(const Window&, int64_t, const float*, const float*, const float*, bool, float*) {
    RefuseHere();
  }
  virtual void SmallConvolutionInputGrad(const Window&, int64_t, const float*, const float*, float*) { RefuseHere(); }
  virtual void SmallConvolutionFilterGrad(const Window&, int64_t, const float*, const float*, float*) { RefuseHere(); }
  // target = dy, or dy + more, where y is above 0
  virtual void ReluGrad(const float* dy, const float* more, const float* y, float* target, int64_t length) = 0;
  // out: y, mean, variance, moving mean, moving variance; in: x, gamma, beta, moving mean, moving variance, maybe what is
  // added to y before its ReLU.
  virtual void BatchNorm(const Normalisation& norm, double momentum, const std::vector<float*>& in,
                         const std::vector<float*>& out) = 0;
  // out: dx, dgamma, dbeta; in: dy, x, gamma, beta, mean, variance.
  virtual void BatchNormGrad(const Normalisation& norm, const std::vector<float*>& in,
                             const std::vector<float*>& out) = 0;

  // target[i] = min + width × 24 bits of a hash of i and the keys.
  virtual void Uniform(float* target, size_t length, uint32_t first, uint32_t second, double min, double width) = 0;

  // Marks this place in the order of the calls; returns its number. Marks stay until ClearMarks.
  virtual size_t Mark() = 0;
  // Milliseconds that the device took from one mark to another; waits for both.
  virtual double Between(size_t from, size_t to) = 0;
  virtual void ClearMarks() = 0;

  virtual MemoryStatistics Statistics() const = 0;
  virtual void ResetPeak() = 0;
  // Gives back memory that was taken and is not in use. Nothing is under way.
  virtual void Trim() {}

 private:
  [[noreturn]] static void RefuseHere() { Refuse("this kernel of our own is for another device"); }
};

// Memory of the host; `threads` are for kernels of our own.
std::unique_ptr<Device> OpenHost(int threads);

// Throws Failure where this build or this machine has no GPU, or more than one: before TensorFlow looks for them, which
// would say more than a person needs.
void ExpectGpu();

// The GPU that the context computes on, which must be expected. `placement`: whole name of the device that its ops run on; with
// `own_bytes`, tensors of our own lie in memory that is ours, so many at most. Throws Failure where TensorFlow cannot use it.
std::unique_ptr<Device> OpenGpu(TFE_Context* context, std::string* placement, Precision precision, size_t own_bytes);

}  // namespace hayate
