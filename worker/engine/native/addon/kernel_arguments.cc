#include "kernel_arguments.h"

namespace hayate {

float* Floats(Context& context, TensorId id, size_t length) {
  const Region region = context.Memory(id);
  if (context.Type(id) != TF_FLOAT || region.bytes != length * sizeof(float)) {
    Refuse("this tensor must be float32 and of another length");
  }
  return reinterpret_cast<float*>(region.start);
}

Result::Result(Context& context, const std::vector<int64_t>& shape)
    : context_(context),
      id_(context.Allocate(TF_FLOAT, shape)),
      numbers_(reinterpret_cast<float*>(context.Memory(id_).start)) {}

Result::~Result() {
  if (id_ != 0) context_.Delete(id_);
}

napi_value Result::Kept(napi_env env) {
  napi_value value = NumberValue(env, static_cast<double>(id_));
  id_ = 0;
  return value;
}

std::vector<int64_t> SizeOf(const Call& call, size_t at) {
  const std::vector<int64_t> size = Integers(call.env, call[at], "size");
  if (size.size() != 2) Refuse("a size is a height and a width");
  for (const int64_t side : size) {
    if (side < 0 || side >= INT32_MAX) Refuse("the size is out of range");
  }
  return size;
}

Window WindowOf(const Call& call, size_t at, const std::vector<int64_t>& in, const std::vector<int64_t>& out) {
  const std::vector<int64_t> n = Integers(call.env, call[at], "window");
  if (in.size() != 4 || out.size() != 4 || in[0] != out[0]) Refuse("the images do not match");
  if (n.size() != 6 || in[1] * in[2] >= INT32_MAX) Refuse("the window is incomplete or the image too large");
  for (size_t i = 0; i < n.size(); i++) {
    if (n[i] < (i < 4 ? 1 : 0) || n[i] >= INT32_MAX) Refuse("the window is out of range");
  }
  return {in[0], in[1], in[2], in[3], out[1], out[2], n[0], n[1], n[2], n[3], n[4], n[5]};
}

}  // namespace hayate
