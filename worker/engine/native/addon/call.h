// A call from JavaScript, and what its functions answer with.
#pragma once

#include <node_api.h>

#include <memory>
#include <new>
#include <string>
#include <vector>

#include "arguments.h"
#include "context.h"
#include "failure.h"

namespace hayate {

// What a context object points to; empty once it was destroyed.
using Slot = std::unique_ptr<Context>;

struct Call {
  napi_env env;
  std::vector<napi_value> arguments;

  napi_value operator[](size_t at) const;
  // The first argument, which must be a context.
  Slot& slot() const;
  Context& context() const;
  TensorId tensor(size_t at) const { return Integer(env, (*this)[at], "a tensor"); }
};

// A JavaScript object for a context.
napi_value ContextValue(napi_env env, const ContextOptions& options);

napi_valuetype Type(napi_env env, napi_value value);
napi_value Undefined(napi_env env);
napi_value BooleanValue(napi_env env, bool value);
napi_value NumberValue(napi_env env, double number);
napi_value NumbersValue(napi_env env, const std::vector<double>& numbers);
napi_value TextValue(napi_env env, const std::string& text);

// Throws an error with `code`, named after TensorFlow's, and `op`.
void Throw(napi_env env, TF_Code code, const std::string& message, const std::string& op);

// A typed array (argument `at`) of as many bytes as the tensor that is argument 1.
View Facing(const Call& call, size_t at);

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

using Functions = std::vector<napi_property_descriptor>;

template <napi_value (*Body)(const Call&)>
napi_property_descriptor Function(const char* name) {
  return {name, nullptr, Guarded<Body>, nullptr, nullptr, nullptr, napi_enumerable, nullptr};
}

// The functions of each file, by their names in JavaScript.
Functions DeviceFunctions();
Functions KernelFunctions();
Functions ConvolutionFunctions();
Functions SmallConvolutionFunctions();

}  // namespace hayate
