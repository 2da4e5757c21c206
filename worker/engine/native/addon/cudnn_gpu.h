// The part of cuDNN 9's graph API that convolutions need, found at run time beside TensorFlow's own use of the library.
// Names and numbers are those of cudnn_graph.h.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "cuda_driver_gpu.h"

namespace hayate::cudnn {

using Result = int;
using Handle = void*;
using Raw = void*;  // cudnnBackendDescriptor_t

inline constexpr Result kSuccess = 0;

enum DescriptorType {
  kConvolutionDescriptor = 1,
  kEngineDescriptor = 2,
  kEngineConfigDescriptor = 3,
  kHeuristicsDescriptor = 4,
  kPlanDescriptor = 5,
  kForwardDescriptor = 10,
  kFilterGradientDescriptor = 11,
  kInputGradientDescriptor = 12,
  kGraphDescriptor = 15,
  kVariantPackDescriptor = 16,
  kTensorDescriptor = 17,
};

enum Attribute {
  kComputeType = 100,
  kConvolutionMode = 101,
  kDilations = 102,
  kFilterStrides = 103,
  kPaddingAfter = 104,
  kPaddingBefore = 105,
  kSpatialDimensions = 106,
  kHeuristicsMode = 200,
  kHeuristicsGraph = 201,
  kHeuristicsResults = 202,
  kConfigEngine = 300,
  kPlanHandle = 400,
  kPlanConfig = 401,
  kPlanWorkspace = 402,
  kForwardAlpha = 700,         // then beta, convolution, filter, image, result
  kInputGradientAlpha = 706,   // then beta, convolution, filter, result, upstream
  kFilterGradientAlpha = 712,  // then beta, convolution, result, image, upstream
  kGraphHandle = 800,
  kGraphOperations = 801,
  kTensorAlignment = 900,
  kTensorElements = 901,
  kTensorDimensions = 902,
  kTensorStrides = 903,
  kTensorId = 906,
  kPackIds = 1000,
  kPackPointers = 1001,
  kPackWorkspace = 1003,
  kEngineNumber = 1301,
  kEngineNumericalNote = 1303,
};

enum AttributeType {
  kHandleValue = 0,
  kDataTypeValue = 1,
  kInt64Value = 3,
  kFloatValue = 4,
  kPointerValue = 6,
  kModeValue = 7,
  kHeuristicsModeValue = 8,
  kNumericalNoteValue = 11,
  kDescriptorValue = 15,
};

inline constexpr int kFloat = 0;             // CUDNN_DATA_FLOAT
inline constexpr int kCrossCorrelation = 1;  // what everybody calls a convolution
inline constexpr int kHeuristicsA = 3, kHeuristicsFallback = 2;
inline constexpr int kTensorCoreNote = 0, kDownConvertNote = 1, kNondeterministicNote = 4;

struct Library {
  Result (*create)(Handle*);
  Result (*destroy)(Handle);
  Result (*set_stream)(Handle, cuda::Stream);
  const char* (*error_text)(Result);
  Result (*make)(int, Raw*);
  Result (*drop)(Raw);
  Result (*set)(Raw, int, int, int64_t, const void*);
  Result (*get)(Raw, int, int, int64_t, int64_t*, void*);
  Result (*finalize)(Raw);
  Result (*execute)(Handle, Raw, Raw);
};

// Throws Failure FAILED_PRECONDITION where there is no cuDNN.
const Library& Load();

// Throws Failure when `result` is an error; `what` is what was tried.
void Check(Result result, const char* what);

// A descriptor: attributes are set, then it is finalized, then it is used.
class Descriptor {
 public:
  explicit Descriptor(DescriptorType type);
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(raw_, other.raw_);
    return *this;
  }

  Raw raw() const { return raw_; }
  void Set(Attribute name, AttributeType type, int64_t count, const void* values);
  void SetInts(Attribute name, const std::vector<int64_t>& values) { Set(name, kInt64Value, values.size(), values.data()); }
  void SetInt(int name, int64_t value) { Set(static_cast<Attribute>(name), kInt64Value, 1, &value); }
  void SetFloat(int name, float value) { Set(static_cast<Attribute>(name), kFloatValue, 1, &value); }
  void SetDescriptor(int name, const Descriptor& value) {
    Set(static_cast<Attribute>(name), kDescriptorValue, 1, &value.raw_);
  }
  // False where cuDNN cannot do what was described.
  bool TryFinalize();
  void Finalize(const char* what);
  std::vector<int> Notes(Attribute name, AttributeType type) const;

 private:
  Raw raw_ = nullptr;
};

}  // namespace hayate::cudnn
