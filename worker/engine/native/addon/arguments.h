// Reads JavaScript values; whatever is not of the wanted kind becomes a Failure that names it.
#pragma once

#include <node_api.h>

#include <string>
#include <vector>

#include "context.h"

namespace hayate {

// A pending JavaScript exception: unwinds the C++ stack, nothing is to be reported.
struct PendingException {};

void Check(napi_env env, napi_status status);

int64_t Integer(napi_env env, napi_value value, const char* what);
// Of a number that was read from memory.
int64_t Whole(double number, const char* what);
double Number(napi_env env, napi_value value, const char* what);
bool Boolean(napi_env env, napi_value value, const char* what);
// A boolean that may be left out, which is false.
bool Flag(napi_env env, napi_value value, const char* what);
std::string Text(napi_env env, napi_value value, const char* what);
std::vector<napi_value> List(napi_env env, napi_value value, const char* what);
std::vector<int64_t> Integers(napi_env env, napi_value value, const char* what);

// Memory of a typed array, over an ArrayBuffer or a SharedArrayBuffer.
struct View {
  napi_typedarray_type type;
  void* data;
  size_t length;
  size_t bytes;
};
View TypedArray(napi_env env, napi_value value, const char* what);

// A flat list of name, kind, value, …; kinds: i(nteger), f(loat), b(ool), t(ype), s(tring), I(nteger list).
std::vector<Attribute> Attributes(napi_env env, napi_value value);

}  // namespace hayate
