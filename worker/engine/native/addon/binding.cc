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

napi_valuetype Type(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  Check(env, napi_typeof(env, value, &type));
  return type;
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

// setEnvironment(names and values: string[]): for TensorFlow, before its first kernel; what is set already stays
napi_value SetEnvironment(const Call& call) {
  const std::vector<napi_value> items = List(call.env, call[0], "names and values");
  for (size_t at = 0; at + 1 < items.size(); at += 2) {
    setenv(Text(call.env, items[at], "a name").c_str(), Text(call.env, items[at + 1], "a value").c_str(), 0);
  }
  return Undefined(call.env);
}

// createContext(config: Uint8Array, device: string, threads, tf32: boolean)
napi_value CreateContext(const Call& call) {
  const View config = TypedArray(call.env, call[0], "config");
  ContextOptions options;
  options.config.assign(static_cast<const char*>(config.data), config.bytes);
  options.device = Text(call.env, call[1], "device");
  const int64_t threads = Integer(call.env, call[2], "threads");
  if (threads < 1 || threads > 4096) Refuse("the number of threads is out of range");
  options.threads = static_cast<int>(threads);
  options.tf32 = Flag(call.env, call[3], "tf32");
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

// create(context, type, shape, data, onHost: boolean) → tensor
napi_value Create(const Call& call) {
  const auto type = static_cast<TF_DataType>(Integer(call.env, call[1], "type"));
  const std::vector<int64_t> shape = Integers(call.env, call[2], "shape");
  const View data = TypedArray(call.env, call[3], "data");
  const bool on_host = Flag(call.env, call[4], "onHost");
  return NumberValue(call.env, call.context().Create(type, shape, data.data, data.bytes, on_host));
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

// A typed array of as many bytes as a tensor.
View Facing(const Call& call) {
  const size_t bytes = call.context().Memory(call.tensor(1)).bytes;
  const View view = TypedArray(call.env, call[2], "data");
  if (view.bytes != bytes) {
    Refuse(std::to_string(view.bytes) + " bytes face a tensor of " + std::to_string(bytes));
  }
  return view;
}

// read(context, tensor, into: TypedArray)
napi_value Read(const Call& call) {
  call.context().Read(call.tensor(1), Facing(call).data);
  return Undefined(call.env);
}

// write(context, tensor, from: TypedArray)
napi_value Write(const Call& call) {
  call.context().Write(call.tensor(1), Facing(call).data);
  return Undefined(call.env);
}

// send(context, tensor, into: TypedArray) → ticket, 0 where the bytes are there already
napi_value Send(const Call& call) {
  return NumberValue(call.env, static_cast<double>(call.context().Send(call.tensor(1), Facing(call).data)));
}

// arrived(context, ticket) → boolean
napi_value Arrived(const Call& call) {
  napi_value result = nullptr;
  const bool arrived = call.context().device().Arrived(static_cast<Ticket>(Integer(call.env, call[1], "a ticket")));
  Check(call.env, napi_get_boolean(call.env, arrived, &result));
  return result;
}

// wait(context, ticket)
napi_value Wait(const Call& call) {
  call.context().device().Wait(static_cast<Ticket>(Integer(call.env, call[1], "a ticket")));
  return Undefined(call.env);
}

// pin(context, memory: TypedArray, locked: boolean)
napi_value Pin(const Call& call) {
  const View view = TypedArray(call.env, call[1], "memory");
  Device& device = call.context().device();
  if (Boolean(call.env, call[2], "locked")) {
    device.Pin(view.data, view.bytes);
  } else {
    device.Unpin(view.data);
  }
  return Undefined(call.env);
}

// finish(context): waits for everything that was asked for
napi_value Finish(const Call& call) {
  call.context().device().Finish();
  return Undefined(call.env);
}

// failed(context) → tag of an update that met a number that is not finite, or 0
napi_value Failed(const Call& call) { return NumberValue(call.env, call.context().device().Failed()); }

// memory(context, reset: boolean) → [in use, peak, limit, largest, reserved], bytes of TensorFlow's allocator; `reset`
// lets the peak begin anew
napi_value Memory(const Call& call) {
  Device& device = call.context().device();
  const MemoryStatistics s = device.Statistics();
  if (Boolean(call.env, call[1], "reset")) device.ResetPeak();
  const int64_t numbers[] = {s.in_use, s.peak, s.limit, s.largest, s.reserved};
  napi_value result = nullptr;
  Check(call.env, napi_create_array_with_length(call.env, 5, &result));
  for (uint32_t at = 0; at < 5; at++) {
    Check(call.env, napi_set_element(call.env, result, at, NumberValue(call.env, static_cast<double>(numbers[at]))));
  }
  return result;
}

// describe(context) → string
napi_value Describe(const Call& call) { return TextValue(call.env, call.context().device().Description()); }

napi_value Bytes(const Call& call) {
  return NumberValue(call.env, static_cast<double>(call.context().Memory(call.tensor(1)).bytes));
}

napi_value Address(const Call& call) {
  const void* const start = call.context().Memory(call.tensor(1)).start;
  return NumberValue(call.env, static_cast<double>(reinterpret_cast<uintptr_t>(start)));
}

napi_value Count(const Call& call) { return NumberValue(call.env, static_cast<double>(call.context().Count())); }

// The numbers of a tensor on the context's device.
float* Floats(Context& context, TensorId id, size_t length) {
  const Region region = context.Memory(id);
  if (context.Type(id) != TF_FLOAT || region.bytes != length * sizeof(float)) {
    Refuse("this tensor must be float32 and of another length");
  }
  return reinterpret_cast<float*>(region.start);
}

// update(context, kind, tensors: variable and slots, sum: Float32Array or tensor, scale, numbers, tag) → boolean, see
// Device::Update. Kinds and numbers: sgd, [rate]; momentum, [rate, momentum, nesterov]; adam, [rate, beta1, beta2,
// epsilon, corrections of both]; average, [].
napi_value Update(const Call& call) {
  const napi_env env = call.env;
  Context& context = call.context();
  const std::string kind = Text(env, call[1], "kind");
  const std::vector<int64_t> tensors = Integers(env, call[2], "tensors");
  const napi_valuetype type = Type(env, call[3]);
  Gradient sum{nullptr, nullptr};
  size_t length = 0;
  if (type == napi_number) {
    length = context.Memory(call.tensor(3)).bytes / sizeof(float);
    sum.tensor = Floats(context, call.tensor(3), length);
  } else {
    const View view = TypedArray(env, call[3], "sum");
    if (view.type != napi_float32_array) Refuse("sum must be a Float32Array");
    sum.host = static_cast<const float*>(view.data);
    length = view.length;
  }
  const double scale = Number(env, call[4], "scale");
  std::vector<double> n;
  for (napi_value item : List(env, call[5], "numbers")) n.push_back(Number(env, item, "a number of the optimizer"));
  const int tag = Type(env, call[6]) == napi_undefined ? 0 : static_cast<int>(Integer(env, call[6], "tag"));
  const auto need = [&](size_t tensor_count, size_t number_count) {
    if (tensors.size() != tensor_count || n.size() != number_count) Refuse("the optimizer is incomplete");
    for (size_t at = 0; at < tensors.size(); at++) {
      if (type == napi_number && tensors[at] == call.tensor(3)) Refuse("a variable is not its own gradient");
      for (size_t other = 0; other < at; other++) {
        if (tensors[at] == tensors[other]) Refuse("variable and slots must be different tensors");
      }
    }
  };
  Device& device = context.device();
  const auto floats = [&](size_t at) { return Floats(context, tensors[at], length); };
  bool finite = false;
  if (kind == "sgd") {
    need(1, 1);
    finite = device.Update(Sgd{n[0]}, floats(0), sum, scale, length, tag);
  } else if (kind == "momentum") {
    need(2, 3);
    finite = device.Update(Momentum{n[0], n[1], n[2] != 0}, floats(0), floats(1), sum, scale, length, tag);
  } else if (kind == "adam") {
    need(3, 6);
    const Adam adam{n[0], n[1], n[2], n[3], n[4], n[5]};
    finite = device.Update(adam, floats(0), floats(1), floats(2), sum, scale, length, tag);
  } else if (kind == "average") {
    need(1, 0);
    finite = device.Average(floats(0), sum, scale, length, tag);
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
  context.device().MaxPoolGrad(window, image, dy, target, static_cast<float>(floor));
  return NumberValue(call.env, static_cast<double>(result));
}

// addBias(context, tensor, bias, relu: boolean): in the tensor's own memory
napi_value AddBiasInPlace(const Call& call) {
  Context& context = call.context();
  const std::vector<int64_t> shape = context.Shape(call.tensor(1));
  const size_t bytes = context.Memory(call.tensor(1)).bytes;
  const int64_t channels = shape.empty() ? 0 : shape.back();
  const float* bias = Floats(context, call.tensor(2), static_cast<size_t>(channels));
  float* values = Floats(context, call.tensor(1), bytes / sizeof(float));
  if (bias == values) Refuse("a tensor cannot be its own bias");
  const int64_t rows = channels == 0 ? 0 : static_cast<int64_t>(bytes / sizeof(float)) / channels;
  context.device().AddBias(values, bias, rows, channels, Boolean(call.env, call[3], "relu"));
  return Undefined(call.env);
}

// Rows of channels of a batch normalisation, and its tensors; all but the first `images` hold a number a channel.
struct NormCall {
  Normalisation norm;
  std::vector<float*> in;
};

NormCall Normalised(const Call& call, size_t images, size_t count) {
  Context& context = call.context();
  const std::vector<int64_t> tensors = Integers(call.env, call[1], "tensors");
  if (tensors.size() != count) Refuse("batch normalisation needs " + std::to_string(count) + " tensors");
  const std::vector<int64_t> shape = context.Shape(tensors[0]);
  const int64_t channels = shape.empty() ? 0 : shape.back();
  const int64_t elements = static_cast<int64_t>(context.Memory(tensors[0]).bytes / sizeof(float));
  if (elements == 0 || channels >= INT32_MAX) Refuse("there is nothing to normalise");
  NormCall made;
  const auto epsilon = static_cast<float>(Number(call.env, call[2], "epsilon"));
  made.norm = {elements / channels, static_cast<int>(channels), epsilon, Boolean(call.env, call[3], "relu")};
  for (size_t at = 0; at < count; at++) made.in.push_back(Floats(context, tensors[at], at < images ? elements : channels));
  return made;
}

// New tensors: one like the first of the call's, and `count` with a number a channel.
napi_value NormResults(const Call& call, int channels, size_t count, std::vector<float*>* memory) {
  Context& context = call.context();
  const std::vector<int64_t> tensors = Integers(call.env, call[1], "tensors");
  napi_value result = nullptr;
  Check(call.env, napi_create_array_with_length(call.env, count + 1, &result));
  for (size_t at = 0; at <= count; at++) {
    const TensorId id = context.Allocate(TF_FLOAT, at == 0 ? context.Shape(tensors[0]) : std::vector<int64_t>{channels});
    memory->push_back(reinterpret_cast<float*>(context.Memory(id).start));
    Check(call.env, napi_set_element(call.env, result, at, NumberValue(call.env, static_cast<double>(id))));
  }
  return result;
}

// batchNorm(context, tensors: x, gamma, beta, moving mean and variance, epsilon, relu, momentum) → tensors: y, mean,
// variance, moving mean and variance
napi_value BatchNorm(const Call& call) {
  const NormCall made = Normalised(call, 1, 5);
  const double momentum = Number(call.env, call[4], "momentum");
  std::vector<float*> out;
  napi_value result = NormResults(call, made.norm.channels, 4, &out);
  call.context().device().BatchNorm(made.norm, momentum, made.in, out);
  return result;
}

// batchNormGrad(context, tensors: dy, x, gamma, beta, mean, variance, epsilon, relu) → tensors: dx, dgamma, dbeta
napi_value BatchNormGrad(const Call& call) {
  const NormCall made = Normalised(call, 2, 6);
  std::vector<float*> out;
  napi_value result = NormResults(call, made.norm.channels, 2, &out);
  call.context().device().BatchNormGrad(made.norm, made.in, out);
  return result;
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
      {"setEnvironment", nullptr, Guarded<SetEnvironment>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"send", nullptr, Guarded<Send>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"arrived", nullptr, Guarded<Arrived>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"wait", nullptr, Guarded<Wait>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"pin", nullptr, Guarded<Pin>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"finish", nullptr, Guarded<Finish>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"failed", nullptr, Guarded<Failed>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"memory", nullptr, Guarded<Memory>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"describe", nullptr, Guarded<Describe>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"batchNorm", nullptr, Guarded<BatchNorm>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"batchNormGrad", nullptr, Guarded<BatchNormGrad>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, sizeof(functions) / sizeof(functions[0]), functions);
  return exports;
}

}  // namespace
}  // namespace hayate

extern "C" __attribute__((visibility("default"))) napi_value HayateEngine(napi_env env, napi_value exports) {
  return hayate::Initialize(env, exports);
}
