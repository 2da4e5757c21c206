#include "call.h"

namespace hayate {
namespace {

constexpr napi_type_tag kContextTag = {0x6861796174652d65, 0x6e67696e652d6378};

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

}  // namespace

napi_value Call::operator[](size_t at) const {
  if (at < arguments.size()) return arguments[at];
  return Undefined(env);
}

Slot& Call::slot() const {
  bool ours = false;
  if (Type(env, (*this)[0]) == napi_external) Check(env, napi_check_object_type_tag(env, (*this)[0], &kContextTag, &ours));
  if (!ours) Refuse("the first argument must be a context");
  void* data = nullptr;
  Check(env, napi_get_value_external(env, (*this)[0], &data));
  return *static_cast<Slot*>(data);
}

Context& Call::context() const {
  Slot& held = slot();
  if (held == nullptr) Refuse("the context was destroyed");
  return *held;
}

napi_value ContextValue(napi_env env, const ContextOptions& options) {
  auto slot = std::make_unique<Slot>(std::make_unique<Context>(options));
  napi_value external = nullptr;
  const auto finalize = [](napi_env, void* data, void*) { delete static_cast<Slot*>(data); };
  Check(env, napi_create_external(env, slot.get(), finalize, nullptr, &external));
  slot.release();
  Check(env, napi_type_tag_object(env, external, &kContextTag));
  return external;
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

napi_value BooleanValue(napi_env env, bool value) {
  napi_value result = nullptr;
  Check(env, napi_get_boolean(env, value, &result));
  return result;
}

napi_value NumberValue(napi_env env, double number) {
  napi_value value = nullptr;
  Check(env, napi_create_double(env, number, &value));
  return value;
}

napi_value NumbersValue(napi_env env, const std::vector<double>& numbers) {
  napi_value result = nullptr;
  Check(env, napi_create_array_with_length(env, numbers.size(), &result));
  for (size_t at = 0; at < numbers.size(); at++) {
    Check(env, napi_set_element(env, result, at, NumberValue(env, numbers[at])));
  }
  return result;
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

View Facing(const Call& call, size_t at) {
  const size_t bytes = call.context().Memory(call.tensor(1)).bytes;
  const View view = TypedArray(call.env, call[at], "data");
  if (view.bytes != bytes) {
    Refuse(std::to_string(view.bytes) + " bytes face a tensor of " + std::to_string(bytes));
  }
  return view;
}

}  // namespace hayate
