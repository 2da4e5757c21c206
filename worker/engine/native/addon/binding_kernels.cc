// Kernels of our own.
#include <array>
#include <cmath>

#include "kernel_arguments.h"
#include "optimizer.h"
#include "tensorflow_handles.h"

namespace hayate {
namespace {

// Where the numbers of an update's request are.
enum UpdateField { kKind, kScale, kTag, kSum, kFirst, kLength, kVariable, kSlots, kNumbers = kSlots + 2, kInto = kNumbers + 6 };
constexpr size_t kUpdateFields = kInto + 1;

// A field that must be a whole number.
int64_t Whole(const double* fields, UpdateField at, int64_t least, int64_t most) {
  const double number = fields[at];
  if (!(number >= static_cast<double>(least) && number <= static_cast<double>(most)) || number != std::floor(number)) {
    Refuse("field " + std::to_string(at) + " of the update is out of range");
  }
  return static_cast<int64_t>(number);
}

// update(context, request: Float64Array, sum: Float32Array?) → boolean, see Device::Update. The request: kind (0 sgd,
// 1 momentum, 2 adam, 3 average), scale, tag, tensor that the sum is in (0: the Float32Array), first element and number
// of elements there, variable, two slots, six numbers: sgd, rate; momentum, rate, momentum, nesterov; adam, rate, beta1,
// beta2, epsilon, corrections of both; first element of variable and slots that is updated. What a kind has no use for is
// not looked at.
napi_value Update(const Call& call) {
  constexpr int64_t most = int64_t{1} << 53;
  const View request = TypedArray(call.env, call[1], "the request");
  if (request.type != napi_float64_array || request.length != kUpdateFields) Refuse("this is no request for an update");
  const auto* const fields = static_cast<const double*>(request.data);
  Context& context = call.context();
  const int64_t kind = Whole(fields, kKind, 0, 3);
  const auto length = static_cast<size_t>(Whole(fields, kLength, 0, most));
  const TensorId tensor = Whole(fields, kSum, 0, most);
  Gradient sum{nullptr, nullptr};
  if (tensor == 0) {
    const View view = TypedArray(call.env, call[2], "sum");
    if (view.type != napi_float32_array || view.length != length) Refuse("sum must be a Float32Array of the length asked for");
    sum.host = static_cast<const float*>(view.data);
  } else {
    const size_t whole = context.Memory(tensor).bytes / sizeof(float);
    const auto first = static_cast<size_t>(Whole(fields, kFirst, 0, most));
    if (first > whole || length > whole - first) Refuse("the sum's tensor is too short");
    sum.tensor = Floats(context, tensor, whole) + first;
  }
  // The variable and the slots of the kind.
  const auto into = static_cast<size_t>(Whole(fields, kInto, 0, most));
  bool is_part = false;
  std::array<float*, 3> floats{};
  const size_t count = kind == 1 ? 2 : kind == 2 ? 3 : 1;
  for (size_t at = 0; at < count; at++) {
    const auto field = static_cast<UpdateField>(kVariable + at);
    const TensorId id = Whole(fields, field, 1, most);
    if (id == tensor) Refuse("a variable is not its own gradient");
    const size_t whole = context.Memory(id).bytes / sizeof(float);
    if (into > whole || length > whole - into) Refuse("a variable or a slot is too short");
    floats[at] = Floats(context, id, whole) + into;
    is_part = is_part || length < whole;
    for (size_t other = 0; other < at; other++) {
      if (fields[kVariable + other] == fields[field]) Refuse("variable and slots must be different tensors");
    }
  }
  const auto [variable, first, second] = floats;
  const double scale = fields[kScale];
  const int tag = static_cast<int>(Whole(fields, kTag, 0, INT32_MAX));
  const double* const n = fields + kNumbers;
  Device& device = context.device();
  // What is put off is told apart by where its memory starts: no part is put off together with anything else.
  if (is_part) device.Flush();
  switch (kind) {
    case 0:
      return BooleanValue(call.env, device.Update(Sgd{n[0]}, variable, sum, scale, length, tag));
    case 1:
      return BooleanValue(
          call.env, device.Update(Momentum{n[0], n[1], n[2] != 0}, variable, first, sum, scale, length, tag));
    case 2:
      return BooleanValue(call.env, device.Update(Adam{n[0], n[1], n[2], n[3], n[4], n[5]}, variable, first, second, sum,
                                                  scale, length, tag));
    default:
      return BooleanValue(call.env, device.Average(variable, sum, scale, length, tag));
  }
}

// maxPool(context, image, window, size of the result: [height, width]) → tensor
napi_value MaxPooling(const Call& call) {
  Context& context = call.context();
  const std::vector<int64_t> in = context.Shape(call.tensor(1));
  const std::vector<int64_t> size = SizeOf(call, 3);
  if (in.size() != 4) Refuse("the images do not match");
  const std::vector<int64_t> out = {in[0], size[0], size[1], in[3]};
  const Window window = WindowOf(call, 2, in, out);
  const float* image = Floats(context, call.tensor(1), ElementsOf(in));
  Result result(context, out);
  context.device().MaxPool(window, image, result.numbers());
  return result.Kept(call.env);
}

// Logits and labels of a call's tensors, from argument `at` on.
struct Classified {
  const float* logits;
  const int32_t* labels;  // null where they are not on the device
  int64_t rows, classes;

  Classified(const Call& call, size_t at) {
    const Context& context = call.context();
    const std::vector<int64_t> shape = context.Shape(call.tensor(at));
    if (shape.size() != 2 || shape[0] < 1 || shape[1] < 1 || shape[1] >= INT32_MAX) Refuse("logits are rows of classes");
    rows = shape[0], classes = shape[1];
    logits = Floats(call.context(), call.tensor(at), ElementsOf(shape));
    if (context.Type(call.tensor(at + 1)) != TF_INT32 || context.Shape(call.tensor(at + 1)) != std::vector{rows}) {
      Refuse("there must be a label a row, an int32");
    }
    const bool is_here = context.IsHere(call.tensor(at + 1));
    labels = is_here ? reinterpret_cast<const int32_t*>(context.Memory(call.tensor(at + 1)).start) : nullptr;
  }
};

// crossEntropy(context, logits, labels) → the mean over the rows, or 0 where the labels are not on the device
napi_value CrossEntropy(const Call& call) {
  const Classified c(call, 1);
  if (c.labels == nullptr) return NumberValue(call.env, 0);
  Result result(call.context(), {});
  call.context().device().CrossEntropy(c.logits, c.labels, c.rows, c.classes, result.numbers());
  return result.Kept(call.env);
}

// crossEntropyGrad(context, dy, logits, labels) → tensor like logits, or 0 as above
napi_value CrossEntropyGradient(const Call& call) {
  const float* dy = Floats(call.context(), call.tensor(1), 1);
  const Classified c(call, 2);
  if (c.labels == nullptr) return NumberValue(call.env, 0);
  Result result(call.context(), {c.rows, c.classes});
  call.context().device().CrossEntropyGrad(dy, c.logits, c.labels, c.rows, c.classes, result.numbers());
  return result.Kept(call.env);
}

// maxPoolGrad(context, image, dy, window: [filter height, width, stride height, width, top, left], floor) → tensor
napi_value MaxPoolGradient(const Call& call) {
  Context& context = call.context();
  const std::vector<int64_t> in = context.Shape(call.tensor(1));
  const std::vector<int64_t> out = context.Shape(call.tensor(2));
  if (out.size() != 4 || in.size() != 4 || in[3] != out[3]) Refuse("the images do not match");
  const Window window = WindowOf(call, 3, in, out);
  const double floor = Number(call.env, call[4], "floor");
  const float* image = Floats(context, call.tensor(1), ElementsOf(in));
  const float* dy = Floats(context, call.tensor(2), ElementsOf(out));
  Result result(context, in);
  context.device().MaxPoolGrad(window, image, dy, result.numbers(), static_cast<float>(floor));
  return result.Kept(call.env);
}

// A tensor as planes: numbers of axis `axis`, and of all before and behind it together.
struct Planes {
  int64_t outer = 1, channels = 0, inner = 1;
  Planes(const std::vector<int64_t>& shape, int64_t axis) {
    if (axis < 0 || axis >= static_cast<int64_t>(shape.size())) Refuse("the tensor has no such axis");
    channels = shape[axis];
    for (int64_t at = 0; at < axis; at++) outer *= shape[at];
    for (size_t at = axis + 1; at < shape.size(); at++) inner *= shape[at];
  }
};

// multiply(context, a, b, transposeA: boolean, transposeB: boolean) → matrix, or 0 where this device has no way of its own
napi_value Multiply(const Call& call) {
  Context& context = call.context();
  const std::vector<int64_t> a = context.Shape(call.tensor(1)), b = context.Shape(call.tensor(2));
  const bool transpose_a = Boolean(call.env, call[3], "transposeA"), transpose_b = Boolean(call.env, call[4], "transposeB");
  if (a.size() != 2 || b.size() != 2) Refuse("a product is one of two matrices");
  const MatrixProduct product{transpose_a, transpose_b, a[transpose_a ? 1 : 0], b[transpose_b ? 0 : 1],
                              a[transpose_a ? 0 : 1]};
  if (product.inner != b[transpose_b ? 1 : 0]) Refuse("the matrices do not match");
  for (const int64_t size : {product.rows, product.columns, product.inner}) {
    if (size == 0 || size >= INT32_MAX) return NumberValue(call.env, 0);
  }
  const float* factors[2];
  for (size_t at = 0; at < 2; at++) factors[at] = Floats(context, call.tensor(1 + at), ElementsOf(at == 0 ? a : b));
  Result result(context, {product.rows, product.columns});
  const bool done = context.device().Multiply(product, factors[0], factors[1], result.numbers());
  return done ? result.Kept(call.env) : NumberValue(call.env, 0);
}

// elementwise(context, op, a, b) → tensor like a; op: 0 a + b, 1 a × b, 2 a / b; where b is 0, 3 the largest whole number up
// to a, 4 the larger of a and 0. b has as many numbers as a, or one.
napi_value ApplyElementwise(const Call& call) {
  Context& context = call.context();
  const int64_t op = Integer(call.env, call[1], "op");
  if (op < 0 || op > static_cast<int64_t>(Elementwise::kRelu)) Refuse("there is no such op");
  const std::vector<int64_t> shape = context.Shape(call.tensor(2));
  const size_t length = ElementsOf(shape);
  const float* a = Floats(context, call.tensor(2), length);
  const bool is_binary = op < static_cast<int64_t>(Elementwise::kFloor);
  if (!is_binary && call.tensor(3) != 0) Refuse("this op is of one tensor");
  const bool is_scalar = is_binary && ElementsOf(context.Shape(call.tensor(3))) == 1;
  const float* b = is_binary ? Floats(context, call.tensor(3), is_scalar ? 1 : length) : nullptr;
  Result result(context, shape);
  context.device().Apply(static_cast<Elementwise>(op), a, b, is_scalar, result.numbers(), static_cast<int64_t>(length));
  return result.Kept(call.env);
}

// planeSums(context, tensor, axis) → tensor: for each place of the axis the sum of everything there
napi_value PlaneSums(const Call& call) {
  Context& context = call.context();
  const Planes planes(context.Shape(call.tensor(1)), Integer(call.env, call[2], "axis"));
  const auto length = static_cast<size_t>(planes.outer * planes.channels * planes.inner);
  const float* values = Floats(context, call.tensor(1), length);
  Result result(context, {planes.channels});
  context.device().PlaneSums(values, result.numbers(), planes.outer, planes.channels, planes.inner);
  return result.Kept(call.env);
}

// addBias(context, tensor, bias, relu: boolean, axis): along the axis, in the tensor's own memory
napi_value AddBiasInPlace(const Call& call) {
  Context& context = call.context();
  const Planes planes(context.Shape(call.tensor(1)), Integer(call.env, call[4], "axis"));
  const size_t bytes = context.Memory(call.tensor(1)).bytes;
  const float* bias = Floats(context, call.tensor(2), static_cast<size_t>(planes.channels));
  float* values = Floats(context, call.tensor(1), bytes / sizeof(float));
  if (bias == values) Refuse("a tensor cannot be its own bias");
  context.device().AddBias(values, bias, planes.outer, planes.channels, planes.inner,
                           Boolean(call.env, call[3], "relu"));
  return Undefined(call.env);
}

// Rows of channels of a batch normalisation, and its tensors; all but the first `images` hold a number a channel, but for
// one more behind them where there is one image.
struct NormCall {
  Normalisation norm;
  std::vector<float*> in;
};

NormCall Normalised(const Call& call, size_t images, size_t count) {
  Context& context = call.context();
  const std::vector<int64_t> tensors = Integers(call.env, call[1], "tensors");
  const bool has_more = images == 1 && tensors.size() == count + 1;
  if (tensors.size() != count && !has_more) Refuse("batch normalisation needs " + std::to_string(count) + " tensors");
  const std::vector<int64_t> shape = context.Shape(tensors[0]);
  const int64_t channels = shape.empty() ? 0 : shape.back();
  const int64_t elements = static_cast<int64_t>(context.Memory(tensors[0]).bytes / sizeof(float));
  if (elements == 0 || channels >= INT32_MAX) Refuse("there is nothing to normalise");
  NormCall made;
  const auto epsilon = static_cast<float>(Number(call.env, call[2], "epsilon"));
  made.norm = {elements / channels, static_cast<int>(channels), epsilon, Boolean(call.env, call[3], "relu")};
  for (size_t at = 0; at < tensors.size(); at++) {
    const bool is_image = at < images || at == count;
    made.in.push_back(Floats(context, tensors[at], is_image ? elements : channels));
  }
  return made;
}

// reluGrad(context, dy, y, another dy to add, or 0) → tensor
napi_value ReluGradient(const Call& call) {
  Context& context = call.context();
  const size_t length = context.Memory(call.tensor(1)).bytes / sizeof(float);
  const auto floats = [&](size_t at) { return Floats(context, call.tensor(at), length); };
  const float *dy = floats(1), *y = floats(2), *more = call.tensor(3) == 0 ? nullptr : floats(3);
  Result result(context, context.Shape(call.tensor(1)));
  context.device().ReluGrad(dy, more, y, result.numbers(), static_cast<int64_t>(length));
  return result.Kept(call.env);
}

// New tensors: one like the first of the call's, and `count` with a number a channel.
napi_value NormResults(const Call& call, int channels, size_t count, std::vector<float*>* memory) {
  Context& context = call.context();
  const std::vector<int64_t> tensors = Integers(call.env, call[1], "tensors");
  std::vector<TensorId> made{context.Allocate(TF_FLOAT, context.Shape(tensors[0]))};
  for (const TensorId id : context.AllocateTogether(channels, count)) made.push_back(id);
  napi_value result = nullptr;
  Check(call.env, napi_create_array_with_length(call.env, made.size(), &result));
  for (size_t at = 0; at < made.size(); at++) {
    memory->push_back(reinterpret_cast<float*>(context.Memory(made[at]).start));
    Check(call.env, napi_set_element(call.env, result, at, NumberValue(call.env, static_cast<double>(made[at]))));
  }
  return result;
}

// batchNorm(context, tensors: x, gamma, beta, moving mean and variance, maybe one to add to y, epsilon, relu, momentum)
// → tensors: y, mean, variance, moving mean and variance
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

// uniform(context, shape, keys: two integers, min, width) → tensor
napi_value Uniform(const Call& call) {
  const std::vector<int64_t> shape = Integers(call.env, call[1], "shape");
  const std::vector<int64_t> keys = Integers(call.env, call[2], "keys");
  if (keys.size() != 2) Refuse("random numbers need two keys");
  const double min = Number(call.env, call[3], "min"), width = Number(call.env, call[4], "width");
  Context& context = call.context();
  Result result(context, shape);
  context.device().Uniform(result.numbers(), ElementsOf(shape), static_cast<uint32_t>(keys[0]),
                           static_cast<uint32_t>(keys[1]), min, width);
  return result.Kept(call.env);
}

}  // namespace

Functions KernelFunctions() {
  return {
      Function<Update>("update"),
      Function<CrossEntropy>("crossEntropy"),
      Function<CrossEntropyGradient>("crossEntropyGrad"),
      Function<MaxPooling>("maxPool"),
      Function<MaxPoolGradient>("maxPoolGrad"),
      Function<AddBiasInPlace>("addBias"),
      Function<PlaneSums>("planeSums"),
      Function<Multiply>("multiply"),
      Function<ApplyElementwise>("elementwise"),
      Function<ReluGradient>("reluGrad"),
      Function<BatchNorm>("batchNorm"),
      Function<BatchNormGrad>("batchNormGrad"),
      Function<Uniform>("uniform"),
  };
}

}  // namespace hayate
