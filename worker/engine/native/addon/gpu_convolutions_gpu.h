// Convolutions by cuDNN, and those of single pixels also by cuBLAS: every algorithm is timed once, the fastest within its
// workspace is run.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "convolution.h"
#include "cublas_gpu.h"
#include "cudnn_gpu.h"
#include "gpu_precision_gpu.h"
#include "gpu_workspace_gpu.h"

namespace hayate {

class GpuConvolutions {
 public:
  using Products = std::function<MatrixProducts&()>;

  GpuConvolutions(cuda::Stream stream, Precision precision, Products products);
  ~GpuConvolutions();
  GpuConvolutions(const GpuConvolutions&) = delete;

  using Tensors = ConvolutionTensors;

  // All algorithms, fastest first. Timed on `tensors`, whose product is overwritten, when asked for the first time; not
  // timed, in cuDNN's order, where bits must not depend on it. Empty where cuDNN knows none.
  std::vector<Cost> Algorithms(const Convolution& convolution, const std::function<Tensors()>& tensors,
                               const Workspaces& workspaces);

  // Runs the fastest algorithm that needs at most `most_bytes` of workspace, else the one that needs least.
  // False where there is none.
  bool Run(const Convolution& convolution, const Tensors& tensors, int64_t most_bytes, const Workspaces& workspaces);

 private:
  struct Algorithm {
    Cost cost;
    // Empty for cuBLAS.
    std::optional<cudnn::Descriptor> plan;
  };
  // The numbers of a convolution.
  using Key = std::array<int64_t, sizeof(Convolution) / sizeof(int64_t)>;

  // Proposed and timed when asked for the first time.
  const std::vector<Algorithm>& Known(const Convolution& convolution, const std::function<Tensors()>& tensors,
                                      const Workspaces& workspaces);

  std::vector<Algorithm> Propose(const Convolution& convolution, const Workspaces& workspaces);
  // Whether it keeps to float32, tried on the memory that `precision` took.
  bool IsInFloat32(const Convolution& convolution, const Algorithm& algorithm, GpuPrecision& precision,
                   const Workspaces& workspaces);
  void Time(const Convolution& convolution, std::vector<Algorithm>* algorithms, const Tensors& tensors,
            const Workspaces& workspaces);
  bool Execute(const Convolution& convolution, const Algorithm& algorithm, const Tensors& tensors, void* workspace);

  const cuda::Driver& driver_;
  const cudnn::Library& library_;
  const cuda::Stream stream_;
  const Precision precision_;
  cudnn::Handle handle_ = nullptr;
  const Products products_;
  std::map<Key, std::vector<Algorithm>> known_;
};

}  // namespace hayate
