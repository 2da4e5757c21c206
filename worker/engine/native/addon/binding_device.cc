// Transfers, memory and time of a context's device.
#include "call.h"

namespace hayate {
namespace {

// Bytes in front of element `first` of a tensor of floats that has `length` more from there on.
size_t Skipped(const Context& context, TensorId tensor, int64_t first, size_t length) {
  if (context.Type(tensor) != TF_FLOAT) Refuse("floats alone are sent and expected");
  const size_t whole = context.Memory(tensor).bytes / sizeof(float);
  if (first < 0 || static_cast<size_t>(first) > whole || length > whole - static_cast<size_t>(first)) {
    Refuse("the tensor has no " + std::to_string(length) + " floats from " + std::to_string(first) + " on");
  }
  return static_cast<size_t>(first) * sizeof(float);
}

// room(context, elements) → tensor of floats with undefined contents
napi_value Room(const Call& call) {
  const int64_t elements = Integer(call.env, call[1], "elements");
  return NumberValue(call.env, static_cast<double>(call.context().Allocate(TF_FLOAT, {elements})));
}

// expect(context, tensor, first, elements, vacant: boolean) → ticket for bring and settle
napi_value Expect(const Call& call) {
  const Context& context = call.context();
  const TensorId tensor = call.tensor(1);
  const int64_t first = Integer(call.env, call[2], "the first element");
  const int64_t elements = Integer(call.env, call[3], "elements");
  if (elements < 1) Refuse("numbers are expected, one at least");
  const size_t length = static_cast<size_t>(elements), skipped = Skipped(context, tensor, first, length);
  const bool is_vacant = Boolean(call.env, call[4], "vacant");
  return NumberValue(call.env,
                     static_cast<double>(context.Expect(tensor, skipped, length * sizeof(float), is_vacant)));
}

// bring(context, expected, from: Float32Array) → false where it is too early; `from` must not change until an update from
// there is known to have happened
napi_value Bring(const Call& call) {
  const View from = TypedArray(call.env, call[2], "from");
  if (from.type != napi_float32_array) Refuse("what is brought are floats");
  const auto expected = static_cast<Ticket>(Integer(call.env, call[1], "a ticket"));
  return BooleanValue(call.env, call.context().device().Bring(expected, from.data, from.bytes));
}

// settle(context, expected) → false where it must have been brought
napi_value Settle(const Call& call) {
  const auto expected = static_cast<Ticket>(Integer(call.env, call[1], "a ticket"));
  return BooleanValue(call.env, call.context().device().Settle(expected));
}

// stalled(context) → milliseconds that the device stood still in settle, and was not told of before
napi_value Stalled(const Call& call) { return NumberValue(call.env, call.context().device().Stalled()); }

// send(context, into: Float32Array, parts: Float64Array) → tickets, one a lane, 0 where everything is there already. Of each
// part in turn: tensor, first of its floats, where in `into` they go, how many there are.
napi_value Send(const Call& call) {
  constexpr size_t kFields = 4;
  const View into = TypedArray(call.env, call[1], "into");
  const View parts = TypedArray(call.env, call[2], "parts");
  if (into.type != napi_float32_array) Refuse("what is sent are floats");
  if (parts.type != napi_float64_array || parts.length % kFields != 0) Refuse("parts are numbers, four of each");
  const Context& context = call.context();
  std::vector<Context::Sent> sent;
  for (size_t at = 0; at < parts.length; at += kFields) {
    const double* const part = static_cast<const double*>(parts.data) + at;
    const int64_t tensor = Whole(part[0], "a tensor"), first = Whole(part[1], "the first element");
    const int64_t offset = Whole(part[2], "an offset"), length = Whole(part[3], "a length");
    if (offset < 0 || length < 0 || static_cast<size_t>(offset) > into.length ||
        static_cast<size_t>(length) > into.length - static_cast<size_t>(offset)) {
      Refuse("a part does not fit into its target");
    }
    const auto count = static_cast<size_t>(length);
    const size_t skipped = Skipped(context, tensor, first, count);
    sent.push_back({tensor, skipped, count * sizeof(float), static_cast<float*>(into.data) + offset});
  }
  std::vector<double> tickets;
  for (const Ticket ticket : context.Send(sent)) tickets.push_back(static_cast<double>(ticket));
  return NumbersValue(call.env, tickets);
}

// arrived(context, ticket) → boolean
napi_value Arrived(const Call& call) {
  const auto ticket = static_cast<Ticket>(Integer(call.env, call[1], "a ticket"));
  return BooleanValue(call.env, call.context().device().Arrived(ticket));
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

// failed(context) → tag of an update that met a number that is not finite, or 0
napi_value Failed(const Call& call) { return NumberValue(call.env, call.context().device().Failed()); }

// memory(context, reset: boolean) → [in use, peak, limit, largest, reserved], bytes, of a GPU; `reset`
// lets the peak begin anew
napi_value Memory(const Call& call) {
  Device& device = call.context().device();
  const MemoryStatistics s = device.Statistics();
  if (Boolean(call.env, call[1], "reset")) device.ResetPeak();
  std::vector<double> numbers;
  for (const int64_t bytes : {s.in_use, s.peak, s.limit, s.largest, s.reserved}) numbers.push_back(static_cast<double>(bytes));
  return NumbersValue(call.env, numbers);
}

// trim(context): memory that a GPU's driver can have back goes there; nothing is under way
napi_value Trim(const Call& call) {
  call.context().device().Trim();
  return Undefined(call.env);
}

// mark(context) → number of a mark in the order of the calls
napi_value Mark(const Call& call) {
  return NumberValue(call.env, static_cast<double>(call.context().device().Mark()));
}

// between(context, mark, mark) → milliseconds that the device took
napi_value Between(const Call& call) {
  const auto at = [&](size_t argument) { return static_cast<size_t>(Integer(call.env, call[argument], "a mark")); };
  return NumberValue(call.env, call.context().device().Between(at(1), at(2)));
}

napi_value ClearMarks(const Call& call) {
  call.context().device().ClearMarks();
  return Undefined(call.env);
}

}  // namespace

Functions DeviceFunctions() {
  return {
      Function<Trim>("trim"),
      Function<Room>("room"),
      Function<Expect>("expect"),
      Function<Bring>("bring"),
      Function<Settle>("settle"),
      Function<Stalled>("stalled"),
      Function<Send>("send"),
      Function<Arrived>("arrived"),
      Function<Wait>("wait"),
      Function<Pin>("pin"),
      Function<Failed>("failed"),
      Function<Memory>("memory"),
      Function<Mark>("mark"),
      Function<Between>("between"),
      Function<ClearMarks>("clearMarks"),
  };
}

}  // namespace hayate
