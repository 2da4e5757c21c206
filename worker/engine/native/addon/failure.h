// Failures on their way to JavaScript: thrown inside the addon, turned into JS errors by binding.cc.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "tensorflow/c/tf_status.h"

namespace hayate {

// `code` is a TensorFlow status code; `op` the op that failed, or empty.
class Failure : public std::runtime_error {
 public:
  Failure(TF_Code code, const std::string& message, std::string op = "")
      : std::runtime_error(message), code(code), op(std::move(op)) {}

  const TF_Code code;
  const std::string op;
};

[[noreturn]] inline void Refuse(const std::string& message) { throw Failure(TF_INVALID_ARGUMENT, message); }

}  // namespace hayate
