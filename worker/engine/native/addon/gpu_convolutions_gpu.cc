#include "gpu_convolutions_gpu.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "failure.h"

namespace hayate {
namespace {

using cudnn::Descriptor;

constexpr int64_t kImage = 1, kFilter = 2, kUpstream = 3;
// cuDNN's heuristics put the best first. Many of their proposals may not be used, as with float32.
constexpr int64_t kMostProposals = 100;
constexpr size_t kMostAlgorithms = 12;
// The engine that can do everything, 5 to 1000 times slower than the others.
constexpr int64_t kSlowEngine = 0;
constexpr int kTimings = 3;
// What takes so many times longer than the best one so far is not timed again.
constexpr float kHopeless = 1.5;

// As cuDNN names them: sizes are always batch, channels, height, width; strides say how they lie in memory.
Descriptor Tensor(int64_t id, const std::vector<int64_t>& sizes, bool channels_first) {
  const int64_t c = sizes[1], h = sizes[2], w = sizes[3];
  Descriptor tensor(cudnn::kTensorDescriptor);
  const int type = cudnn::kFloat;
  tensor.Set(cudnn::kTensorElements, cudnn::kDataTypeValue, 1, &type);
  tensor.SetInts(cudnn::kTensorDimensions, sizes);
  if (channels_first) {
    tensor.SetInts(cudnn::kTensorStrides, {c * h * w, h * w, w, 1});
  } else {
    tensor.SetInts(cudnn::kTensorStrides, {c * h * w, 1, w * c, c});
  }
  tensor.SetInt(cudnn::kTensorId, id);
  tensor.SetInt(cudnn::kTensorAlignment, 16);
  tensor.Finalize("describing a tensor");
  return tensor;
}

Descriptor Geometry(const Convolution& c) {
  Descriptor geometry(cudnn::kConvolutionDescriptor);
  const int type = cudnn::kFloat, mode = cudnn::kCrossCorrelation;
  geometry.Set(cudnn::kComputeType, cudnn::kDataTypeValue, 1, &type);
  geometry.Set(cudnn::kConvolutionMode, cudnn::kModeValue, 1, &mode);
  geometry.SetInt(cudnn::kSpatialDimensions, 2);
  geometry.SetInts(cudnn::kDilations, {c.dilation_height, c.dilation_width});
  geometry.SetInts(cudnn::kFilterStrides, {c.stride_height, c.stride_width});
  geometry.SetInts(cudnn::kPaddingBefore, {c.top, c.left});
  geometry.SetInts(cudnn::kPaddingAfter, {c.bottom, c.right});
  geometry.Finalize("describing a convolution");
  return geometry;
}

Descriptor Operation(const Convolution& c) {
  const bool first = c.channels_first != 0;
  const Descriptor image = Tensor(kImage, {c.batch, c.in_channels, c.in_height, c.in_width}, first);
  const Descriptor filter = Tensor(kFilter, {c.out_channels, c.in_channels, c.filter_height, c.filter_width}, first);
  const Descriptor upstream = Tensor(kUpstream, {c.batch, c.out_channels, c.out_height, c.out_width}, first);
  const Descriptor geometry = Geometry(c);
  const auto describe = [&](cudnn::DescriptorType type, int alpha, const std::vector<const Descriptor*>& tensors) {
    Descriptor operation(type);
    operation.SetFloat(alpha, 1);
    operation.SetFloat(alpha + 1, 0);
    operation.SetDescriptor(alpha + 2, geometry);
    for (size_t at = 0; at < tensors.size(); at++) operation.SetDescriptor(alpha + 3 + static_cast<int>(at), *tensors[at]);
    operation.Finalize("describing a convolution");
    return operation;
  };
  switch (c.product) {
    case Product::kForward:
      return describe(cudnn::kForwardDescriptor, cudnn::kForwardAlpha, {&filter, &image, &upstream});
    case Product::kInputGradient:
      return describe(cudnn::kInputGradientDescriptor, cudnn::kInputGradientAlpha, {&filter, &image, &upstream});
    case Product::kFilterGradient:
      return describe(cudnn::kFilterGradientDescriptor, cudnn::kFilterGradientAlpha, {&filter, &image, &upstream});
  }
  Refuse("there is no such product of a convolution");
}

// What cuDNN proposes, best first.
std::vector<Descriptor> Configurations(const Descriptor& graph, int mode) {
  Descriptor heuristics(cudnn::kHeuristicsDescriptor);
  heuristics.SetDescriptor(cudnn::kHeuristicsGraph, graph);
  heuristics.Set(cudnn::kHeuristicsMode, cudnn::kHeuristicsModeValue, 1, &mode);
  if (!heuristics.TryFinalize()) return {};
  std::vector<Descriptor> configurations;
  std::vector<cudnn::Raw> raws;
  for (int64_t at = 0; at < kMostProposals; at++) {
    configurations.emplace_back(cudnn::kEngineConfigDescriptor);
    raws.push_back(configurations.back().raw());
  }
  int64_t count = 0;
  if (cudnn::Load().get(heuristics.raw(), cudnn::kHeuristicsResults, cudnn::kDescriptorValue, kMostProposals, &count,
                        raws.data()) != cudnn::kSuccess) {
    count = 0;
  }
  configurations.erase(configurations.begin() + std::min(count, kMostProposals), configurations.end());
  return configurations;
}

bool IsAllowed(const Descriptor& configuration, const Precision& precision) {
  Descriptor engine(cudnn::kEngineDescriptor);
  cudnn::Raw raw = engine.raw();
  int64_t count = 0, number = 0;
  cudnn::Check(cudnn::Load().get(configuration.raw(), cudnn::kConfigEngine, cudnn::kDescriptorValue, 1, &count, &raw),
               "asking for an algorithm");
  cudnn::Check(cudnn::Load().get(raw, cudnn::kEngineNumber, cudnn::kInt64Value, 1, &count, &number),
               "asking for an algorithm");
  if (number == kSlowEngine) return false;
  const std::vector<int> notes = engine.Notes(cudnn::kEngineNumericalNote, cudnn::kNumericalNoteValue);
  const auto has = [&](int note) { return std::find(notes.begin(), notes.end(), note) != notes.end(); };
  if (has(cudnn::kDownConvertNote)) return false;  // rounds to half precision
  if (!precision.tf32 && has(cudnn::kTensorCoreNote)) return false;
  return !precision.deterministic || !has(cudnn::kNondeterministicNote);
}

}  // namespace

GpuConvolutions::GpuConvolutions(cuda::Stream stream, Precision precision, Products products)
    : driver_(cuda::Load()),
      library_(cudnn::Load()),
      stream_(stream),
      precision_(precision),
      products_(std::move(products)) {
  cudnn::Check(library_.create(&handle_), "starting cuDNN");
  cudnn::Check(library_.set_stream(handle_, stream_), "starting cuDNN");
}

GpuConvolutions::~GpuConvolutions() {
  known_.clear();
  library_.destroy(handle_);
}

std::vector<GpuConvolutions::Algorithm> GpuConvolutions::Propose(const Convolution& convolution,
                                                                 const Workspaces& workspaces) {
  const Descriptor operation = Operation(convolution);
  Descriptor graph(cudnn::kGraphDescriptor);
  graph.SetDescriptor(cudnn::kGraphOperations, operation);
  graph.Set(cudnn::kGraphHandle, cudnn::kHandleValue, 1, &handle_);
  graph.Finalize("describing a convolution");
  std::vector<Algorithm> found;
  if (IsMatrixProduct(convolution)) found.push_back({{0, 0}, std::nullopt});
  std::optional<GpuPrecision> float32;
  if (!precision_.tf32) float32.emplace(convolution, driver_, stream_, workspaces);
  for (const int mode : {cudnn::kHeuristicsA, cudnn::kHeuristicsFallback}) {
    for (const Descriptor& configuration : Configurations(graph, mode)) {
      if (found.size() == kMostAlgorithms) break;
      if (!IsAllowed(configuration, precision_)) continue;
      Descriptor plan(cudnn::kPlanDescriptor);
      plan.Set(cudnn::kPlanHandle, cudnn::kHandleValue, 1, &handle_);
      plan.SetDescriptor(cudnn::kPlanConfig, configuration);
      if (!plan.TryFinalize()) continue;
      int64_t bytes = 0, count = 0;
      cudnn::Check(library_.get(plan.raw(), cudnn::kPlanWorkspace, cudnn::kInt64Value, 1, &count, &bytes),
                   "asking for a workspace");
      Algorithm algorithm{{0, bytes}, std::move(plan)};
      if (float32 && !IsInFloat32(convolution, algorithm, *float32, workspaces)) continue;
      found.push_back(std::move(algorithm));
    }
  }
  return found;
}

bool GpuConvolutions::IsInFloat32(const Convolution& convolution, const Algorithm& algorithm, GpuPrecision& precision,
                                  const Workspaces& workspaces) {
  const Workspace workspace(workspaces, algorithm.cost.workspace_bytes);
  return workspace.IsThere() && precision.IsKept([&](const Tensors& tensors) {
    return Execute(convolution, algorithm, tensors, workspace.memory());
  });
}

bool GpuConvolutions::Execute(const Convolution& convolution, const Algorithm& algorithm, const Tensors& tensors,
                              void* workspace) {
  if (!algorithm.plan.has_value()) return products_().Run(convolution, tensors);
  Descriptor pack(cudnn::kVariantPackDescriptor);
  const int64_t ids[] = {kImage, kFilter, kUpstream};
  void* const pointers[] = {tensors.image, tensors.filter, tensors.upstream};
  pack.Set(cudnn::kPackIds, cudnn::kInt64Value, 3, ids);
  pack.Set(cudnn::kPackPointers, cudnn::kPointerValue, 3, pointers);
  pack.Set(cudnn::kPackWorkspace, cudnn::kPointerValue, 1, &workspace);
  pack.Finalize("starting a convolution");
  return library_.execute(handle_, algorithm.plan->raw(), pack.raw()) == cudnn::kSuccess;
}

void GpuConvolutions::Time(const Convolution& convolution, std::vector<Algorithm>* algorithms, const Tensors& tensors,
                           const Workspaces& workspaces) {
  constexpr float kNever = std::numeric_limits<float>::infinity();
  cuda::Event before = nullptr, after = nullptr;
  for (cuda::Event* const event : {&before, &after}) cuda::Check(driver_.event_create(event, 0), "making an event");
  const auto time = [&](const Algorithm& algorithm, void* workspace) {
    float milliseconds = kNever;
    driver_.event_record(before, stream_);
    if (!Execute(convolution, algorithm, tensors, workspace)) return kNever;
    driver_.event_record(after, stream_);
    cuda::Check(driver_.event_synchronize(after), "timing a convolution");
    cuda::Check(driver_.event_elapsed(&milliseconds, before, after), "timing a convolution");
    return milliseconds;
  };
  float best = kNever;
  for (Algorithm& algorithm : *algorithms) {
    float& own = algorithm.cost.milliseconds;
    own = kNever;
    const Workspace workspace(workspaces, algorithm.cost.workspace_bytes);
    if (!workspace.IsThere()) continue;
    time(algorithm, workspace.memory());  // the first start may load code
    for (int at = 0; at < kTimings && (at == 0 || own <= kHopeless * best); at++) {
      own = std::min(own, time(algorithm, workspace.memory()));
    }
    best = std::min(best, own);
  }
  for (const cuda::Event event : {before, after}) driver_.event_destroy(event);
  const auto never = [](const Algorithm& algorithm) { return algorithm.cost.milliseconds == kNever; };
  algorithms->erase(std::remove_if(algorithms->begin(), algorithms->end(), never), algorithms->end());
  std::stable_sort(algorithms->begin(), algorithms->end(), [](const Algorithm& a, const Algorithm& b) {
    return std::tie(a.cost.milliseconds, a.cost.workspace_bytes) < std::tie(b.cost.milliseconds, b.cost.workspace_bytes);
  });
}

const std::vector<GpuConvolutions::Algorithm>& GpuConvolutions::Known(const Convolution& convolution,
                                                                      const std::function<Tensors()>& tensors,
                                                                      const Workspaces& workspaces) {
  Key key;
  std::memcpy(key.data(), &convolution, sizeof(convolution));
  const auto known = known_.find(key);
  if (known != known_.end()) return known->second;
  std::vector<Algorithm> found = Propose(convolution, workspaces);
  if (!precision_.deterministic) Time(convolution, &found, tensors(), workspaces);
  return known_.emplace(key, std::move(found)).first->second;
}

std::vector<Cost> GpuConvolutions::Algorithms(const Convolution& convolution, const std::function<Tensors()>& tensors,
                                              const Workspaces& workspaces) {
  std::vector<Cost> costs;
  for (const Algorithm& algorithm : Known(convolution, tensors, workspaces)) costs.push_back(algorithm.cost);
  return costs;
}

bool GpuConvolutions::Run(const Convolution& convolution, const Tensors& tensors, int64_t most_bytes,
                          const Workspaces& workspaces) {
  const std::vector<Algorithm>& algorithms = Known(convolution, [&] { return tensors; }, workspaces);
  if (algorithms.empty()) return false;
  const auto fits = [&](const Algorithm& algorithm) { return algorithm.cost.workspace_bytes <= most_bytes; };
  auto chosen = std::find_if(algorithms.begin(), algorithms.end(), fits);
  if (chosen == algorithms.end()) {
    chosen = std::min_element(algorithms.begin(), algorithms.end(), [](const Algorithm& a, const Algorithm& b) {
      return a.cost.workspace_bytes < b.cost.workspace_bytes;
    });
  }
  const size_t bytes = chosen->cost.workspace_bytes;
  const Workspace workspace(workspaces, bytes);
  if (!workspace.IsThere()) {
    throw Failure(TF_RESOURCE_EXHAUSTED, "no memory on the GPU for a workspace of " + std::to_string(bytes) + " bytes");
  }
  if (!Execute(convolution, *chosen, tensors, workspace.memory())) {
    throw Failure(TF_INTERNAL, "cuDNN could not start a convolution");
  }
  return true;
}

}  // namespace hayate
