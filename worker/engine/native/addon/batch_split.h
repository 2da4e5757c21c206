// Ops over batches of images on the host, a part of the batch a thread. TensorFlow divides an op among threads of its
// own, which fall asleep between small ops and take longer to wake than the op; a part on one thread needs none of them.
#pragma once

#include <string>
#include <vector>

#include "context.h"

namespace hayate {

// How an op's parts are put together.
enum class Joining { kStacked, kSummed };

// Which inputs of an op hold the batch in their first axis; -1 for none.
struct SplitRule {
  int images;
  int gradients;
  // Input that says the shape of the result, whose first number is the batch.
  int shape;
  Joining joining;
};

class BatchSplit {
 public:
  BatchSplit(std::string placement, Device& host, int threads);
  ~BatchSplit();
  BatchSplit(const BatchSplit&) = delete;
  BatchSplit& operator=(const BatchSplit&) = delete;

  // The result of an op on `inputs`, or nullptr where it is not one to be split. Throws Failure as the op does.
  TFE_TensorHandle* Execute(const std::string& op, const std::vector<Attribute>& attributes,
                            const std::vector<TFE_TensorHandle*>& inputs);

 private:
  // A context whose ops use one thread.
  TFE_Context* Single();
  TFE_TensorHandle* RunPart(const std::string& op, const std::vector<Attribute>& attributes,
                            const std::vector<TFE_TensorHandle*>& inputs, const SplitRule& rule, int64_t first,
                            int64_t last);

  const std::string placement_;
  Device& host_;
  const int threads_;
  TFE_Context* single_ = nullptr;
};

}  // namespace hayate
