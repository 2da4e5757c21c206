// Convolutions by the device itself.
#include <algorithm>
#include <cstring>

#include "kernel_arguments.h"

namespace hayate {
namespace {

constexpr size_t kNumbers = sizeof(Convolution) / sizeof(int64_t);

// Numbers of a convolution, in the order of the structure.
Convolution Of(const std::vector<int64_t>& numbers) {
  if (numbers.size() != kNumbers) Refuse("a convolution has " + std::to_string(kNumbers) + " numbers");
  Convolution c;
  std::memcpy(static_cast<void*>(&c), numbers.data(), sizeof(c));
  if (numbers[0] < 0 || numbers[0] > 2 || numbers[1] < 0 || numbers[1] > 1) Refuse("there is no such convolution");
  for (size_t at = 2; at < kNumbers; at++) {
    if (numbers[at] < (at < 15 ? 1 : 0) || numbers[at] > 1 << 24) Refuse("a convolution's size is out of range");
  }
  const auto outputs = [](int64_t in, int64_t pads, int64_t filter, int64_t dilation, int64_t stride) {
    const int64_t room = in + pads - (filter - 1) * dilation - 1;
    return room < 0 ? 0 : room / stride + 1;
  };
  if (outputs(c.in_height, c.top + c.bottom, c.filter_height, c.dilation_height, c.stride_height) != c.out_height ||
      outputs(c.in_width, c.left + c.right, c.filter_width, c.dilation_width, c.stride_width) != c.out_width) {
    Refuse("a convolution's sizes do not fit together");
  }
  constexpr double most = 1ll << 40;
  for (const double elements : {1.0 * c.batch * c.in_height * c.in_width * c.in_channels,
                                1.0 * c.batch * c.out_height * c.out_width * c.out_channels,
                                1.0 * c.filter_height * c.filter_width * c.in_channels * c.out_channels}) {
    if (elements > most) Refuse("a convolution's size is out of range");
  }
  return c;
}

const Convolution& Prepared(const Call& call) {
  return call.context().Prepared(static_cast<size_t>(Integer(call.env, call[1], "a convolution")));
}

// prepareConvolution(context, numbers) → number of the convolution
napi_value Prepare(const Call& call) {
  const Convolution convolution = Of(Integers(call.env, call[1], "numbers"));
  return NumberValue(call.env, static_cast<double>(call.context().Prepare(convolution)));
}

// convolutionCosts(context, convolution) → milliseconds and bytes of workspace of each algorithm in turn, fastest first
napi_value Costs(const Call& call) {
  std::vector<double> numbers;
  for (const Cost& cost : call.context().device().Algorithms(Prepared(call))) {
    numbers.push_back(cost.milliseconds);
    numbers.push_back(static_cast<double>(cost.workspace_bytes));
  }
  return NumbersValue(call.env, numbers);
}

std::vector<int64_t> ResultShape(const Convolution& c) {
  const bool first = c.channels_first != 0;
  const auto picture = [&](int64_t height, int64_t width, int64_t channels) -> std::vector<int64_t> {
    if (first) return {c.batch, channels, height, width};
    return {c.batch, height, width, channels};
  };
  switch (c.product) {
    case Product::kForward:
      return picture(c.out_height, c.out_width, c.out_channels);
    case Product::kInputGradient:
      return picture(c.in_height, c.in_width, c.in_channels);
    case Product::kFilterGradient:
      if (first) return {c.out_channels, c.in_channels, c.filter_height, c.filter_width};
      return {c.out_channels, c.filter_height, c.filter_width, c.in_channels};
  }
  Refuse("there is no such product of a convolution");
}

// convolve(context, convolution, tensor, tensor, most bytes of workspace) → tensor, or 0 where this device knows no
// way. Tensors: image and filter for forward, upstream and filter for an input's gradient, image and upstream for a filter's.
napi_value Convolve(const Call& call) {
  Context& context = call.context();
  const Convolution& c = Prepared(call);
  const double most_bytes = Number(call.env, call[4], "most bytes");
  const int64_t most = most_bytes >= 0 ? static_cast<int64_t>(std::min(most_bytes, 9.0e15)) : 0;
  const auto given = [&](size_t argument, int64_t length) {
    return Floats(context, call.tensor(argument), static_cast<size_t>(length));
  };
  Result result(context, ResultShape(c));
  ConvolutionTensors tensors{};
  switch (c.product) {
    case Product::kForward:
      tensors = {given(2, c.ImageElements()), given(3, c.FilterElements()), result.numbers()};
      break;
    case Product::kInputGradient:
      tensors = {result.numbers(), given(3, c.FilterElements()), given(2, c.UpstreamElements())};
      break;
    case Product::kFilterGradient:
      tensors = {given(2, c.ImageElements()), result.numbers(), given(3, c.UpstreamElements())};
      break;
  }
  const bool done = context.device().Convolve(c, tensors, most);
  return done ? result.Kept(call.env) : NumberValue(call.env, 0);
}

}  // namespace

Functions ConvolutionFunctions() {
  return {
      Function<Prepare>("prepareConvolution"),
      Function<Costs>("convolutionCosts"),
      Function<Convolve>("convolve"),
  };
}

}  // namespace hayate
