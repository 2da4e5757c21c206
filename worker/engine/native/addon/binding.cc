// The addon's JavaScript side. A context is an object of its own; tensors are numbers that only their context knows.
// Works in several environments (worker threads) of one process at once.
#include <node_api.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "arguments.h"
#include "context.h"
#include "failure.h"
#include "host_kernels.h"
#include "optimizer.h"

namespace hayate {
namespace {

constexpr napi_type_tag kContextTag = {0x6861796174652d65, 0x6e67696e652d6378};

// What a context object points to; empty once it was destroyed.
using Slot = std::unique_ptr<Context>;

struct Call {
  napi_env env;
  std::vector<napi_value> arguments;

  napi_value operator[](size_t at) const {
    if (at < arguments.size()) return arguments[at];
    napi_value undefined = nullptr;
    Check(env, napi_get_undefined(env, &undefined));
    return undefined;
  }

  Slot& slot() const {
    bool ours = false;
    napi_valuetype type = napi_undefined;
    Check(env, napi_typeof(env, (*this)[0], &type));
    if (type == napi_external) Check(env, napi_check_object_type_tag(env, (*this)[0], &kContextTag, &ours));
    if (!ours) Refuse("the first argument must be a context");
    void* data = nullptr;
    Check(env, napi_get_value_external(env, (*this)[0], &data));
    return *static_cast<Slot*>(data);
  }

  Context& context() const {
    Slot& held = slot();
    if (held == nullptr) Refuse("the context was destroyed");
    return *held;
  }

  TensorId tensor(size_t at) const { return Integer(env, (*this)[at], "a tensor"); }
};

const char* NameOf(TF_Code code) {
  switch (code) {
    case TF_INVALID_ARGUMENT:
      return "INVALID_ARGUMENT";
    case TF_NOT_FOUND:
      return "NOT_FOUND";
    case TF_RESOURCE_EXHAUSTED:
      return "RESOURCE_EXHAUSTED";
    case TF_UNIMPLEMENTED:
      return "UNIMPLEMENTED";
    case TF_FAILED_PRECONDITION:
      return "FAILED_PRECONDITION";
    case TF_OUT_OF_RANGE:
      return "OUT_OF_RANGE";
    case TF_INTERNAL:
      return "INTERNAL";
    default:
      return "TENSORFLOW";
  }
}

napi_value TextValue(napi_env env, const std::string& text) {
  napi_value value = nullptr;
  Check(env, napi_create_string_utf8(env, text.data(), text.size(), &value));
  return value;
}

void Throw(napi_env env, TF_Code code, const std::string& message, const std::string& op) {
  napi_value error = nullptr;
  napi_value code_text = nullptr;
  napi_value message_text = nullptr;
  napi_value op_text = nullptr;
  napi_create_string_utf8(env, NameOf(code), NAPI_AUTO_LENGTH, &code_text);
  napi_create_string_utf8(env, message.data(), message.size(), &message_text);
  napi_create_string_utf8(env, op.data(), op.size(), &op_text);
  if (napi_create_error(env, code_text, message_text, &error) != napi_ok) return;
  napi_set_named_property(env, error, "op", op_text);
  napi_throw(env, error);
}

// Runs a function and lets no C++ exception out.
template <napi_value (*Body)(const Call&)>
napi_value Guarded(napi_env env, napi_callback_info info) {
  try {
    size_t count = 8;
    Call call{env, std::vector<napi_value>(count)};
    Check(env, napi_get_cb_info(env, info, &count, call.arguments.data(), nullptr, nullptr));
    if (count < call.arguments.size()) call.arguments.resize(count);
    return Body(call);
  } catch (const PendingException&) {
    return nullptr;
  } catch (const Failure& failure) {
    Throw(env, failure.code, failure.what(), failure.op);
  } catch (const std::bad_alloc&) {
    Throw(env, TF_RESOURCE_EXHAUSTED, "no memory left", "");
  } catch (const std::exception& error) {
    Throw(env, TF_INTERNAL, error.what(), "");
  }
  return nullptr;
}

napi_value Undefined(napi_env env) {
  napi_value value = nullptr;
  Check(env, napi_get_undefined(env, &value));
  return value;
}

napi_value NumberValue(napi_env env, double number) {
  napi_value value = nullptr;
  Check(env, napi_create_double(env, number, &value));
  return value;
}

napi_value Version(const Call& call) { return TextValue(call.env, TF_Version()); }

// createContext(config: Uint8Array, device: string, threads)
napi_value CreateContext(const Call& call) {
  const View config = TypedArray(call.env, call[0], "config");
  ContextOptions options;
  options.config.assign(static_cast<const char*>(config.data), config.bytes);
  options.device = Text(call.env, call[1], "device");
  const int64_t threads = Integer(call.env, call[2], "threads");
  if (threads < 1 || threads > 4096) Refuse("the number of threads is out of range");
  options.threads = static_cast<int>(threads);
  auto slot = std::make_unique<Slot>(std::make_unique<Context>(options));
  napi_value external = nullptr;
  const auto finalize = [](napi_env, void* data, void*) { delete static_cast<Slot*>(data); };
  Check(call.env, napi_create_external(call.env, slot.get(), finalize, nullptr, &external));
  slot.release();
  Check(call.env, napi_type_tag_object(call.env, external, &kContextTag));
  return external;
}

napi_value DestroyContext(const Call& call) {
  call.slot().reset();
  return Undefined(call.env);
}

// create(context, type, shape, data) → tensor
napi_value Create(const Call& call) {
  const auto type = static_cast<TF_DataType>(Integer(call.env, call[1], "type"));
  const std::vector<int64_t> shape = Integers(call.env, call[2], "shape");
  const View data = TypedArray(call.env, call[3], "data");
  return NumberValue(call.env, call.context().Create(type, shape, data.data, data.bytes));
}

// alias(context, tensor, shape) → tensor
napi_value Alias(const Call& call) {
  return NumberValue(call.env, call.context().Alias(call.tensor(1), Integers(call.env, call[2], "shape")));
}

// execute(context, op, attributes, inputs, consumed: boolean[], outputs) → number[]: for each output its tensor, type,
// the consumed input whose memory it took over or -1, number of axes, and sizes
napi_value Execute(const Call& call) {
  const napi_env env = call.env;
  const std::string op = Text(env, call[1], "op");
  const std::vector<Attribute> attributes = Attributes(env, call[2]);
  const std::vector<int64_t> inputs = Integers(env, call[3], "inputs");
  std::vector<bool> consumed;
  for (napi_value item : List(env, call[4], "consumed")) consumed.push_back(Boolean(env, item, "consumed"));
  consumed.resize(inputs.size(), false);
  const int64_t outputs = Integer(env, call[5], "outputs");
  if (outputs < 0 || outputs > (1 << 16)) Refuse("the number of outputs is out of range");
  std::vector<double> numbers;
  for (const Output& output : call.context().Execute(op, attributes, inputs, consumed, static_cast<int>(outputs))) {
    numbers.push_back(static_cast<double>(output.id));
    numbers.push_back(output.type);
    numbers.push_back(output.forwarded);
    numbers.push_back(static_cast<double>(output.shape.size()));
    for (const int64_t size : output.shape) numbers.push_back(static_cast<double>(size));
  }
  napi_value result = nullptr;
  Check(env, napi_create_array_with_length(env, numbers.size(), &result));
  for (size_t at = 0; at < numbers.size(); at++) {
    Check(env, napi_set_element(env, result, at, NumberValue(env, numbers[at])));
  }
  return result;
}

napi_value Delete(const Call& call) {
  call.context().Delete(call.tensor(1));
  return Undefined(call.env);
}

// A tensor's memory next to a typed array of as many bytes.
std::pair<void*, View> Facing(const Call& call) {
  size_t bytes = 0;
  void* data = call.context().Data(call.tensor(1), &bytes);
  const View view = TypedArray(call.env, call[2], "data");
  if (view.bytes != bytes) {
    Refuse(std::to_string(view.bytes) + " bytes face a tensor of " + std::to_string(bytes));
  }
  return {data, view};
}

// read(context, tensor, into: TypedArray)
napi_value Read(const Call& call) {
  const auto [data, view] = Facing(call);
  if (view.bytes > 0) std::memcpy(view.data, data, view.bytes);
  return Undefined(call.env);
}

// write(context, tensor, from: TypedArray)
napi_value Write(const Call& call) {
  const auto [data, view] = Facing(call);
  if (view.bytes > 0) std::memcpy(data, view.data, view.bytes);
  return Undefined(call.env);
}

napi_value Bytes(const Call& call) {
  size_t bytes = 0;
  call.context().Data(call.tensor(1), &bytes);
  return NumberValue(call.env, static_cast<double>(bytes));
}

napi_value Address(const Call& call) {
  size_t bytes = 0;
  const void* data = call.context().Data(call.tensor(1), &bytes);
  return NumberValue(call.env, static_cast<double>(reinterpret_cast<uintptr_t>(data)));
}

napi_value Count(const Call& call) { return NumberValue(call.env, static_cast<double>(call.context().Count())); }

float* Floats(Context& context, TensorId id, size_t length) {
  size_t bytes = 0;
  void* data = context.Data(id, &bytes);
  if (context.Type(id) != TF_FLOAT || bytes != length * sizeof(float)) {
    Refuse("this tensor must be float32 and of another length");
  }
  return static_cast<float*>(data);
}

// update(context, kind, tensors: variable and slots, sum: Float32Array, scale, numbers) → all finite?
napi_value Update(const Call& call) {
  const napi_env env = call.env;
  Context& context = call.context();
  const std::string kind = Text(env, call[1], "kind");
  const std::vector<int64_t> tensors = Integers(env, call[2], "tensors");
  const View view = TypedArray(env, call[3], "sum");
  if (view.type != napi_float32_array) Refuse("sum must be a Float32Array");
  const double scale = Number(env, call[4], "scale");
  std::vector<double> n;
  for (napi_value item : List(env, call[5], "numbers")) n.push_back(Number(env, item, "a number of the optimizer"));
  const auto need = [&](size_t tensor_count, size_t number_count) {
    if (tensors.size() != tensor_count || n.size() != number_count) Refuse("the optimizer is incomplete");
    for (size_t at = 0; at < tensors.size(); at++) {
      for (size_t other = 0; other < at; other++) {
        if (tensors[at] == tensors[other]) Refuse("variable and slots must be different tensors");
      }
    }
  };
  const auto* sum = static_cast<const float*>(view.data);
  const auto floats = [&](size_t at) { return Floats(context, tensors[at], view.length); };
  bool finite = false;
  if (kind == "sgd") {
    need(1, 1);
    finite = Update(Sgd{n[0]}, floats(0), sum, scale, view.length);
  } else if (kind == "momentum") {
    need(2, 3);
    finite = Update(Momentum{n[0], n[1], n[2] != 0}, floats(0), floats(1), sum, scale, view.length);
  } else if (kind == "adam") {
    need(3, 6);
    const Adam adam{n[0], n[1], n[2], n[3], n[4], n[5]};
    finite = Update(adam, floats(0), floats(1), floats(2), sum, scale, view.length);
  } else {
    Refuse("there is no optimizer " + kind);
  }
  napi_value result = nullptr;
  Check(env, napi_get_boolean(env, finite, &result));
  return result;
}

// maxPoolGrad(context, image, dy, window: [filter height, width, stride height, width, top, left], floor) → tensor
napi_value MaxPoolGradient(const Call& call) {
  Context& context = call.context();
  const std::vector<int64_t> in = context.Shape(call.tensor(1));
  const std::vector<int64_t> out = context.Shape(call.tensor(2));
  const std::vector<int64_t> n = Integers(call.env, call[3], "window");
  const double floor = Number(call.env, call[4], "floor");
  if (in.size() != 4 || out.size() != 4 || in[0] != out[0] || in[3] != out[3]) Refuse("the images do not match");
  if (n.size() != 6 || in[1] * in[2] >= INT32_MAX) Refuse("the window is incomplete or the image too large");
  for (size_t at = 0; at < n.size(); at++) {
    if (n[at] < (at < 4 ? 1 : 0) || n[at] >= INT32_MAX) Refuse("the window is out of range");
  }
  const Window window{in[0], in[1], in[2], in[3], out[1], out[2], n[0], n[1], n[2], n[3], n[4], n[5]};
  const size_t in_length = static_cast<size_t>(in[0] * in[1] * in[2] * in[3]);
  const size_t out_length = static_cast<size_t>(out[0] * out[1] * out[2] * out[3]);
  const float* image = Floats(context, call.tensor(1), in_length);
  const float* dy = Floats(context, call.tensor(2), out_length);
  const TensorId result = context.Allocate(TF_FLOAT, in);
  float* target = Floats(context, result, in_length);
  MaxPoolGrad(window, image, dy, target, static_cast<float>(floor), context.threads());
  return NumberValue(call.env, static_cast<double>(result));
}

// addBias(context, tensor, bias, relu: boolean): in the tensor's own memory
napi_value AddBiasInPlace(const Call& call) {
  Context& context = call.context();
  const std::vector<int64_t> shape = context.Shape(call.tensor(1));
  size_t bytes = 0;
  context.Data(call.tensor(1), &bytes);
  const int64_t channels = shape.empty() ? 0 : shape.back();
  const float* bias = Floats(context, call.tensor(2), static_cast<size_t>(channels));
  float* values = Floats(context, call.tensor(1), bytes / sizeof(float));
  if (bias == values) Refuse("a tensor cannot be its own bias");
  const int64_t rows = channels == 0 ? 0 : static_cast<int64_t>(bytes / sizeof(float)) / channels;
  AddBias(values, bias, rows, channels, Boolean(call.env, call[3], "relu"), context.threads());
  return Undefined(call.env);
}

napi_value Initialize(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      {"version", nullptr, Guarded<Version>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"createContext", nullptr, Guarded<CreateContext>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"destroyContext", nullptr, Guarded<DestroyContext>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"create", nullptr, Guarded<Create>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"alias", nullptr, Guarded<Alias>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"execute", nullptr, Guarded<Execute>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"delete", nullptr, Guarded<Delete>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"read", nullptr, Guarded<Read>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"write", nullptr, Guarded<Write>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"bytes", nullptr, Guarded<Bytes>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"address", nullptr, Guarded<Address>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"count", nullptr, Guarded<Count>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"maxPoolGrad", nullptr, Guarded<MaxPoolGradient>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"addBias", nullptr, Guarded<AddBiasInPlace>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"update", nullptr, Guarded<Update>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, sizeof(functions) / sizeof(functions[0]), functions);
  return exports;
}

}  // namespace
}  // namespace hayate

extern "C" __attribute__((visibility("default"))) napi_value HayateEngine(napi_env env, napi_value exports) {
  return hayate::Initialize(env, exports);
}
