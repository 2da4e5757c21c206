#include "arguments.h"

#include <cmath>

#include "failure.h"

namespace hayate {

void Check(napi_env env, napi_status status) {
  if (status == napi_ok) return;
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending) throw PendingException();
  const napi_extended_error_info* info = nullptr;
  napi_get_last_error_info(env, &info);
  throw Failure(TF_INTERNAL,
                info != nullptr && info->error_message != nullptr ? info->error_message : "a call of Node failed");
}

double Number(napi_env env, napi_value value, const char* what) {
  double number = 0;
  if (napi_get_value_double(env, value, &number) != napi_ok) Refuse(std::string(what) + " must be a number");
  return number;
}

int64_t Integer(napi_env env, napi_value value, const char* what) {
  return Whole(Number(env, value, what), what);
}

int64_t Whole(double number, const char* what) {
  if (!(std::fabs(number) <= 9007199254740991.0) || number != std::floor(number)) {
    Refuse(std::string(what) + " must be a whole number");
  }
  return static_cast<int64_t>(number);
}

bool Boolean(napi_env env, napi_value value, const char* what) {
  bool truth = false;
  if (napi_get_value_bool(env, value, &truth) != napi_ok) Refuse(std::string(what) + " must be true or false");
  return truth;
}

bool Flag(napi_env env, napi_value value, const char* what) {
  napi_valuetype type = napi_undefined;
  Check(env, napi_typeof(env, value, &type));
  return type != napi_undefined && Boolean(env, value, what);
}

std::string Text(napi_env env, napi_value value, const char* what) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) {
    Refuse(std::string(what) + " must be a string");
  }
  std::string text(length, '\0');
  Check(env, napi_get_value_string_utf8(env, value, text.data(), length + 1, &length));
  // TensorFlow takes names as C strings.
  if (text.find('\0') != std::string::npos) Refuse(std::string(what) + " holds a zero");
  return text;
}

std::vector<napi_value> List(napi_env env, napi_value value, const char* what) {
  bool is_array = false;
  uint32_t length = 0;
  Check(env, napi_is_array(env, value, &is_array));
  if (!is_array) Refuse(std::string(what) + " must be an array");
  Check(env, napi_get_array_length(env, value, &length));
  if (length > (1 << 20)) Refuse(std::string(what) + " is too long");
  std::vector<napi_value> items(length);
  for (uint32_t at = 0; at < length; at++) Check(env, napi_get_element(env, value, at, &items[at]));
  return items;
}

std::vector<int64_t> Integers(napi_env env, napi_value value, const char* what) {
  std::vector<int64_t> numbers;
  for (napi_value item : List(env, value, what)) numbers.push_back(Integer(env, item, what));
  return numbers;
}

View TypedArray(napi_env env, napi_value value, const char* what) {
  bool is_typed_array = false;
  Check(env, napi_is_typedarray(env, value, &is_typed_array));
  if (!is_typed_array) Refuse(std::string(what) + " must be a typed array");
  View view{};
  napi_value buffer = nullptr;
  size_t offset = 0;
  Check(env, napi_get_typedarray_info(env, value, &view.type, &view.length, &view.data, &buffer, &offset));
  size_t width = 1;
  switch (view.type) {
    case napi_int16_array:
    case napi_uint16_array:
      width = 2;
      break;
    case napi_int32_array:
    case napi_uint32_array:
    case napi_float32_array:
      width = 4;
      break;
    case napi_float64_array:
    case napi_bigint64_array:
    case napi_biguint64_array:
      width = 8;
      break;
    default:
      break;
  }
  view.bytes = view.length * width;
  return view;
}

std::vector<Attribute> Attributes(napi_env env, napi_value value) {
  const std::vector<napi_value> items = List(env, value, "attributes");
  if (items.size() % 3 != 0) Refuse("attributes come in threes: name, kind, value");
  std::vector<Attribute> attributes;
  for (size_t at = 0; at < items.size(); at += 3) {
    const std::string kind = Text(env, items[at + 1], "the kind of an attribute");
    Attribute attribute{Text(env, items[at], "the name of an attribute"), {}};
    const char* name = attribute.name.c_str();
    napi_value given = items[at + 2];
    if (kind == "i") {
      attribute.value = Integer(env, given, name);
    } else if (kind == "f") {
      attribute.value = static_cast<float>(Number(env, given, name));
    } else if (kind == "b") {
      attribute.value = Boolean(env, given, name);
    } else if (kind == "t") {
      attribute.value = TypeValue{static_cast<TF_DataType>(Integer(env, given, name))};
    } else if (kind == "s") {
      attribute.value = Text(env, given, name);
    } else if (kind == "I") {
      attribute.value = Integers(env, given, name);
    } else {
      Refuse("there is no attribute kind " + kind);
    }
    attributes.push_back(std::move(attribute));
  }
  return attributes;
}

}  // namespace hayate
