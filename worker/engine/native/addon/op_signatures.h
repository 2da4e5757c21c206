// What TensorFlow's op registry says about ops, so that a wrong call is refused before TensorFlow sees it: its C API
// ends the process on some of them.
#pragma once

#include <string>
#include <vector>

#include "context.h"

namespace hayate {

// Throws Failure for an op that does not exist, attributes that it has not or of another type, or a wrong number of inputs.
void CheckCall(const std::string& op, const std::vector<Attribute>& attributes, size_t inputs);

}  // namespace hayate
