// The addon's JavaScript side. A context is an object of its own; tensors are numbers that only their context knows.
// Works in several environments (worker threads) of one process at once.
#include <cstdlib>

#include "call.h"

namespace hayate {
namespace {

napi_value Version(const Call& call) { return TextValue(call.env, TF_Version()); }

// setEnvironment(names and values: string[]): for TensorFlow, before its first kernel; what is set already stays
napi_value SetEnvironment(const Call& call) {
  const std::vector<napi_value> items = List(call.env, call[0], "names and values");
  for (size_t at = 0; at + 1 < items.size(); at += 2) {
    setenv(Text(call.env, items[at], "a name").c_str(), Text(call.env, items[at + 1], "a value").c_str(), 0);
  }
  return Undefined(call.env);
}

// createContext(config: Uint8Array, device: string, threads, tf32: boolean, deterministic: boolean, MiB of memory of our own)
napi_value CreateContext(const Call& call) {
  const View config = TypedArray(call.env, call[0], "config");
  ContextOptions options;
  options.config.assign(static_cast<const char*>(config.data), config.bytes);
  options.device = Text(call.env, call[1], "device");
  const int64_t threads = Integer(call.env, call[2], "threads");
  if (threads < 1 || threads > 4096) Refuse("the number of threads is out of range");
  options.threads = static_cast<int>(threads);
  options.precision = {Flag(call.env, call[3], "tf32"), Flag(call.env, call[4], "deterministic")};
  const int64_t own = Type(call.env, call[5]) == napi_undefined ? 0 : Integer(call.env, call[5], "memory of our own");
  if (own < 0 || own > (1 << 30)) Refuse("the memory of our own is out of range");
  options.own_bytes = static_cast<size_t>(own) << 20;
  return ContextValue(call.env, options);
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
  return NumbersValue(env, numbers);
}

napi_value Delete(const Call& call) {
  call.context().Delete(call.tensor(1));
  return Undefined(call.env);
}

// read(context, tensor, into: TypedArray)
napi_value Read(const Call& call) {
  call.context().Read(call.tensor(1), Facing(call, 2).data);
  return Undefined(call.env);
}

napi_value Bytes(const Call& call) {
  return NumberValue(call.env, static_cast<double>(call.context().Memory(call.tensor(1)).bytes));
}

napi_value Address(const Call& call) {
  const void* const start = call.context().Memory(call.tensor(1)).start;
  return NumberValue(call.env, static_cast<double>(reinterpret_cast<uintptr_t>(start)));
}

napi_value Count(const Call& call) { return NumberValue(call.env, static_cast<double>(call.context().Count())); }

Functions ContextFunctions() {
  return {
      Function<Version>("version"),
      Function<SetEnvironment>("setEnvironment"),
      Function<CreateContext>("createContext"),
      Function<DestroyContext>("destroyContext"),
      Function<Create>("create"),
      Function<Alias>("alias"),
      Function<Execute>("execute"),
      Function<Delete>("delete"),
      Function<Read>("read"),
      Function<Bytes>("bytes"),
      Function<Address>("address"),
      Function<Count>("count"),
  };
}

}  // namespace
}  // namespace hayate

extern "C" __attribute__((visibility("default"))) napi_value HayateEngine(napi_env env, napi_value exports) {
  using hayate::Functions;
  for (const Functions& part : {hayate::ContextFunctions(), hayate::DeviceFunctions(), hayate::KernelFunctions(),
                                hayate::ConvolutionFunctions(), hayate::SmallConvolutionFunctions()}) {
    napi_define_properties(env, exports, part.size(), part.data());
  }
  return exports;
}
