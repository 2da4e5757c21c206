// Convolutions of our own on the host.
#include "kernel_arguments.h"
#include "tensorflow_handles.h"

namespace hayate {
namespace {

using Shape = std::vector<int64_t>;

// Numbers that a picture may have with its margin.
constexpr double kMostInMargin = 1 << 24;

// Argument `at` is the window of a convolution of pictures `in` with `filter` to results `out`.
Window Checked(const Call& call, size_t at, const Shape& in, const Shape& filter, const Shape& out) {
  const Window w = WindowOf(call, at, in, out);
  if (filter.size() != 4 || filter[0] != w.filter_height || filter[1] != w.filter_width) {
    Refuse("the filter does not fit the window");
  }
  if (filter[2] != in[3] || filter[3] != out[3]) Refuse("the channels do not fit the filter");
  if (ElementsOf(in) == 0 || ElementsOf(filter) == 0 || ElementsOf(out) == 0) Refuse("there is nothing to convolve");
  if (w.top >= w.filter_height || w.left >= w.filter_width) Refuse("the margin is wider than the filter");
  const double rows = static_cast<double>(w.out_height) * w.stride_height + w.filter_height;
  const double columns = (w.out_width + 8.0) * w.stride_width + w.filter_width;
  if (rows * columns * w.channels > kMostInMargin) Refuse("the pictures are too large for this kernel");
  return w;
}

// smallConvolution(context, x, filter, window, size of the result, relu, bias or undefined) → tensor
napi_value Forward(const Call& call) {
  Context& context = call.context();
  const Shape in = context.Shape(call.tensor(1)), filter = context.Shape(call.tensor(2)), size = SizeOf(call, 4);
  if (in.size() != 4 || filter.size() != 4) Refuse("pictures and filter have four axes");
  const Shape out = {in[0], size[0], size[1], filter[3]};
  const Window window = Checked(call, 3, in, filter, out);
  const float* const x = Floats(context, call.tensor(1), ElementsOf(in));
  const float* const weights = Floats(context, call.tensor(2), ElementsOf(filter));
  const bool relu = Boolean(call.env, call[5], "relu");
  const bool biased = Type(call.env, call[6]) != napi_undefined;
  const float* const bias = biased ? Floats(context, call.tensor(6), static_cast<size_t>(out[3])) : nullptr;
  Result result(context, out);
  context.device().SmallConvolution(window, out[3], x, weights, bias, relu, result.numbers());
  return result.Kept(call.env);
}

// smallConvolutionInputGrad(context, dy, filter, window, size of the pictures) → tensor
napi_value InputGradient(const Call& call) {
  Context& context = call.context();
  const Shape out = context.Shape(call.tensor(1)), filter = context.Shape(call.tensor(2)), size = SizeOf(call, 4);
  if (out.size() != 4 || filter.size() != 4) Refuse("gradients and filter have four axes");
  const Shape in = {out[0], size[0], size[1], filter[2]};
  const Window window = Checked(call, 3, in, filter, out);
  if (window.stride_height != 1 || window.stride_width != 1) Refuse("this gradient is for strides of 1");
  const double back = (in[1] + filter[0]) * (in[2] + 8.0 + filter[1]) * out[3];
  if (back > kMostInMargin) Refuse("the pictures are too large for this kernel");
  const float* const dy = Floats(context, call.tensor(1), ElementsOf(out));
  const float* const weights = Floats(context, call.tensor(2), ElementsOf(filter));
  Result result(context, in);
  context.device().SmallConvolutionInputGrad(window, out[3], dy, weights, result.numbers());
  return result.Kept(call.env);
}

// smallConvolutionFilterGrad(context, x, dy, window) → tensor
napi_value FilterGradient(const Call& call) {
  Context& context = call.context();
  const Shape in = context.Shape(call.tensor(1)), out = context.Shape(call.tensor(2));
  const Shape sides = Integers(call.env, call[3], "window");
  if (in.size() != 4 || out.size() != 4 || sides.size() != 6) Refuse("pictures and gradients have four axes");
  const Shape filter = {sides[0], sides[1], in[3], out[3]};
  const Window window = Checked(call, 3, in, filter, out);
  const float* const x = Floats(context, call.tensor(1), ElementsOf(in));
  const float* const dy = Floats(context, call.tensor(2), ElementsOf(out));
  Result result(context, filter);
  context.device().SmallConvolutionFilterGrad(window, out[3], x, dy, result.numbers());
  return result.Kept(call.env);
}

}  // namespace

Functions SmallConvolutionFunctions() {
  return {
      Function<Forward>("smallConvolution"),
      Function<InputGradient>("smallConvolutionInputGrad"),
      Function<FilterGradient>("smallConvolutionFilterGrad"),
  };
}

}  // namespace hayate
