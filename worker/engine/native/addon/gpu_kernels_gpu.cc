#include "gpu_kernels_gpu.h"

#include <algorithm>

#include "failure.h"

// The source of the kernels is part of the addon.
extern "C" const char hayate_device_kernels[];
__asm__(
    ".pushsection .rodata\n"
    ".global hayate_device_kernels\n"
    ".hidden hayate_device_kernels\n"
    "hayate_device_kernels:\n"
    ".incbin \"" HAYATE_SOURCES "/device_kernels.cu\"\n"
    ".incbin \"" HAYATE_SOURCES "/batch_norm.cu\"\n"
    ".incbin \"" HAYATE_SOURCES "/planes.cu\"\n"
    ".incbin \"" HAYATE_SOURCES "/pooling.cu\"\n"
    ".incbin \"" HAYATE_SOURCES "/losses.cu\"\n"
    ".byte 0\n"
    ".popsection\n");

namespace hayate {
namespace {

constexpr unsigned kThreads = 256;

// As in device_kernels.cu.
struct Norm {
  long long rows;
  int channels;
  float epsilon;
  int relu;
};

Norm Of(const Normalisation& norm) { return {norm.rows, norm.channels, norm.epsilon, norm.relu ? 1 : 0}; }

unsigned Ceil(int64_t a, int64_t b) { return static_cast<unsigned>((a + b - 1) / b); }

// An argument's address, as a launch wants it.
template <typename T>
void* A(T& value) {
  return const_cast<void*>(static_cast<const void*>(&value));
}

}  // namespace

GpuKernels::GpuKernels(cuda::Device device, cuda::Stream stream) : driver_(cuda::Load()), stream_(stream) {
  int major = 0, minor = 0;
  cuda::Check(driver_.device_attribute(&major, cuda::kMajor, device), "asking for the GPU's capability");
  cuda::Check(driver_.device_attribute(&minor, cuda::kMinor, device), "asking for the GPU's capability");
  cuda::Check(driver_.device_attribute(&processors_, cuda::kProcessors, device), "asking for the GPU's size");
  const std::string code = cuda::Compile(hayate_device_kernels, major, minor);
  cuda::Check(driver_.module_load(&module_, code.data()), "loading the GPU's kernels");
}

GpuKernels::~GpuKernels() {
  if (partial_ != 0) driver_.memory_free(partial_);
  driver_.module_unload(module_);
}

GpuKernels::Grid GpuKernels::Linear(int64_t elements) const {
  const int64_t most = int64_t{32} * processors_;
  return {static_cast<unsigned>(std::clamp<int64_t>(Ceil(elements, kThreads), 1, most)), 1, kThreads, 1, 0};
}

GpuKernels::Grid GpuKernels::OverPlanes(int64_t planes) const {
  return {static_cast<unsigned>(std::clamp<int64_t>(planes, 1, int64_t{64} * processors_)), 1, kThreads, 1, 0};
}

GpuKernels::Grid GpuKernels::OverRows(const Normalisation& norm, int width) const {
  const int columns = norm.channels / width;
  unsigned x = 1;
  while (x < 32 && static_cast<int>(x) < columns) x *= 2;
  const unsigned y = 512 / x;
  const unsigned blocks_x = Ceil(columns, x);
  const unsigned blocks_y = std::clamp<unsigned>(2 * processors_ / blocks_x, 1, std::max(1u, Ceil(norm.rows, 4 * y)));
  return {blocks_x, blocks_y, x, y, static_cast<unsigned>(y / 2 * 2 * width * x * sizeof(float))};
}

void GpuKernels::Launch(const char* name, const Grid& grid, std::vector<void*> arguments, cuda::Stream stream) {
  cuda::Function& function = functions_[name];
  if (function == nullptr) cuda::Check(driver_.module_function(&function, module_, name), name);
  cuda::Check(driver_.launch(function, grid.x, grid.y, 1, grid.threads_x, grid.threads_y, 1, grid.shared_bytes, stream,
                             arguments.data(), nullptr),
              name);
}

void GpuKernels::Update(const char* kernel, const UpdateBatch& batch, unsigned blocks) {
  Launch(kernel, {blocks, 1, kThreads, 1, 0}, {A(batch)});
}

void GpuKernels::Send(const SendBatch& batch, unsigned blocks, cuda::Stream stream) {
  Launch("send", {blocks, 1, kThreads, 1, 0}, {A(batch)}, stream);
}

void GpuKernels::AddBias(float* values, const float* bias, int64_t outer, int64_t channels, int64_t inner, bool relu) {
  const int64_t length = outer * channels * inner, planes = outer * channels;
  if (length == 0) return;
  if (length / 4 >= INT32_MAX) Refuse("the tensor is too large for its bias");
  const int width = static_cast<int>(channels), size = static_cast<int>(inner), flag = relu ? 1 : 0;
  if (inner == 1) {
    Launch("add_bias", Linear(length / 4), {A(values), A(bias), A(length), A(width), A(flag)});
  } else {
    Launch("add_bias_planes", OverPlanes(planes), {A(values), A(bias), A(planes), A(width), A(size), A(flag)});
  }
}

void GpuKernels::Apply(Elementwise op, const float* a, const float* b, bool is_scalar, float* target, int64_t length) {
  const int number = static_cast<int>(op), scalar = is_scalar ? 1 : 0;
  if (length > 0) Launch("elementwise", Linear(length), {A(number), A(a), A(b), A(scalar), A(target), A(length)});
}

// A thread a column of a chunk of rows, again and again until few rows are left.
void GpuKernels::ColumnSums(const float* values, float* sums, int64_t rows, int64_t channels) {
  constexpr int64_t kFewRows = 128, kLeastChunk = 64;
  const int64_t threads = int64_t{2048} * processors_;
  const int width = static_cast<int>(channels);
  std::vector<int64_t> chunks;
  int64_t floats = 0;
  for (int64_t left = rows; left > kFewRows; left = (left + chunks.back() - 1) / chunks.back()) {
    chunks.push_back(std::max(kLeastChunk, left / std::max<int64_t>(1, threads / channels)));
    floats += (left + chunks.back() - 1) / chunks.back() * channels;
  }
  float* target = chunks.empty() ? nullptr : Partial(static_cast<size_t>(floats));
  int64_t left = rows;
  for (int64_t chunk : chunks) {
    const int64_t made = (left + chunk - 1) / chunk;
    Launch("column_sums", Linear(made * channels), {A(values), A(target), A(left), A(width), A(chunk)});
    values = target;
    target += made * channels;
    left = made;
  }
  Launch("plane_totals", Linear(channels), {A(values), A(sums), A(left), A(width)});
}

void GpuKernels::PlaneSums(const float* values, float* sums, int64_t outer, int64_t channels, int64_t inner) {
  const int64_t planes = outer * channels;
  if (channels == 0) return;
  if (inner == 1 && channels < INT32_MAX) return ColumnSums(values, sums, outer, channels);
  if (inner >= INT32_MAX || channels >= INT32_MAX) Refuse("the planes are too large for their sums");
  const int width = static_cast<int>(channels), size = static_cast<int>(inner);
  float* partial = Partial(static_cast<size_t>(planes));
  if (planes > 0) Launch("plane_sums", OverPlanes(planes), {A(values), A(partial), A(planes), A(size)});
  Launch("plane_totals", Linear(channels), {A(partial), A(sums), A(outer), A(width)});
}

void GpuKernels::Pad(const Convolution& c, const float* image, float* padded) {
  const bool first = c.channels_first != 0;
  const int64_t planes = first ? c.batch * c.in_channels : c.batch, deep = first ? 1 : c.in_channels;
  const int rows = static_cast<int>(c.in_height), width = static_cast<int>(c.in_width * deep);
  const int top = static_cast<int>(c.top), left = static_cast<int>(c.left * deep);
  const int padded_rows = static_cast<int>(c.top + c.in_height + c.bottom);
  const int padded_width = static_cast<int>((c.left + c.in_width + c.right) * deep);
  Launch("pad_rows", OverPlanes(planes * padded_rows),
         {A(image), A(padded), A(planes), A(rows), A(width), A(padded_rows), A(padded_width), A(top), A(left)});
}

void GpuKernels::MaxPool(const Window& w, const float* image, float* target) {
  const int64_t out = w.batch * w.out_height * w.out_width * w.channels;
  if (out == 0) return;
  if (out >= INT32_MAX) Refuse("the image is too large for its pooling");
  const bool fours = w.channels % 4 == 0;
  Launch(fours ? "max_pool4" : "max_pool1", Linear(fours ? out / 4 : out), {A(w), A(image), A(target)});
}

void GpuKernels::CrossEntropy(const float* logits, const int32_t* labels, int64_t rows, int64_t classes, float* loss) {
  const int width = static_cast<int>(classes);
  float* losses = Partial(static_cast<size_t>(rows));
  Launch("cross_entropy", OverPlanes(rows), {A(logits), A(labels), A(losses), A(rows), A(width)});
  Launch("mean", OverPlanes(1), {A(losses), A(loss), A(rows)});
}

void GpuKernels::CrossEntropyGrad(const float* dy, const float* logits, const int32_t* labels, int64_t rows,
                                  int64_t classes, float* target) {
  const int width = static_cast<int>(classes);
  Launch("cross_entropy_grad", OverPlanes(rows), {A(dy), A(logits), A(labels), A(target), A(rows), A(width)});
}

size_t GpuKernels::WinnerBytes(const Window& w) {
  return sizeof(uint16_t) * static_cast<size_t>(w.batch * w.out_height * w.out_width * w.channels);
}

void GpuKernels::MaxPoolGrad(const Window& w, const float* image, const float* dy, float* target, float floor,
                             void* winners) {
  const int64_t in = w.batch * w.in_height * w.in_width * w.channels;
  const int64_t out = w.batch * w.out_height * w.out_width * w.channels;
  if (in == 0 || out == 0) return;
  if (in >= INT32_MAX) Refuse("the image is too large for its pooling gradient");
  const bool quartering = w.filter_height == 2 && w.filter_width == 2 && w.stride_height == 2 && w.stride_width == 2 &&
                          w.in_height == 2 * w.out_height && w.in_width == 2 * w.out_width;
  if (quartering) {
    Launch("max_pool_grad_quarter", Linear(out), {A(w), A(image), A(dy), A(target), A(floor)});
    return;
  }
  if (w.filter_height * w.filter_width >= UINT16_MAX) Refuse("the window is too large for its pooling gradient");
  const bool triples = w.filter_height == 3 && w.filter_width == 3 && w.stride_height == 2 && w.stride_width == 2;
  const bool fours = triples && w.channels % 4 == 0;
  Launch(fours ? "max_pool_winners_3_2" : "max_pool_winners", Linear(fours ? out / 4 : out),
         {A(w), A(image), A(winners), A(floor)});
  Launch(fours ? "max_pool_gather_3_2" : "max_pool_gather", Linear(fours ? in / 4 : in),
         {A(w), A(winners), A(dy), A(target)});
}

float* GpuKernels::Partial(size_t floats) {
  if (floats > partial_floats_) {
    if (partial_ != 0) cuda::Check(driver_.memory_free(partial_), "releasing a workspace");  // waits for its users
    partial_ = 0;
    partial_floats_ = std::max<size_t>(floats, 1 << 18);
    cuda::Check(driver_.memory_allocate(&partial_, partial_floats_ * sizeof(float)), "allocating a workspace");
  }
  return reinterpret_cast<float*>(partial_);
}

void GpuKernels::ReluGrad(const float* dy, const float* more, const float* y, float* target, int64_t length) {
  if (length > 0) Launch("relu_grad", Linear(Ceil(length, 4)), {A(dy), A(more), A(y), A(target), A(length)});
}

void GpuKernels::BatchNorm(const Normalisation& norm, double momentum, const std::vector<float*>& in,
                           const std::vector<float*>& out) {
  const Norm n = Of(norm);
  const int width = norm.channels % 4 == 0 ? 4 : 1;
  const Grid grid = OverRows(norm, width);
  const int blocks = static_cast<int>(grid.y);
  float* partial = Partial(size_t{2} * grid.y * norm.channels);
  float *x = in[0], *gamma = in[1], *beta = in[2], *moving_mean = in[3], *moving_variance = in[4];
  float* residual = in.size() > 5 ? in[5] : nullptr;
  float *y = out[0], *mean = out[1], *variance = out[2], *next_mean = out[3], *next_variance = out[4];
  Launch(width == 4 ? "batch_norm_moments4" : "batch_norm_moments1", grid, {A(n), A(x), A(partial)});
  Launch("batch_norm_statistics", {Ceil(norm.channels, 32), 1, 32, 16, 0},
         {A(n), A(partial), A(blocks), A(x), A(momentum), A(moving_mean), A(moving_variance), A(mean), A(variance),
          A(next_mean), A(next_variance)});
  Launch(width == 4 ? "batch_norm_apply4" : "batch_norm_apply1", grid,
         {A(n), A(x), A(mean), A(variance), A(gamma), A(beta), A(residual), A(y)});
}

void GpuKernels::BatchNormGrad(const Normalisation& norm, const std::vector<float*>& in,
                               const std::vector<float*>& out) {
  const Norm n = Of(norm);
  const int width = norm.channels % 4 == 0 ? 4 : 1;
  const Grid grid = OverRows(norm, width);
  const int blocks = static_cast<int>(grid.y);
  float* partial = Partial(size_t{2} * grid.y * norm.channels);
  float *dy = in[0], *x = in[1], *gamma = in[2], *beta = in[3], *mean = in[4], *variance = in[5];
  float *dx = out[0], *dgamma = out[1], *dbeta = out[2];
  Launch(width == 4 ? "batch_norm_grad_sums4" : "batch_norm_grad_sums1", grid,
         {A(n), A(dy), A(x), A(mean), A(variance), A(gamma), A(beta), A(partial)});
  Launch("batch_norm_grad_totals", {Ceil(norm.channels, 32), 1, 32, 16, 0},
         {A(n), A(partial), A(blocks), A(dgamma), A(dbeta)});
  Launch(width == 4 ? "batch_norm_grad4" : "batch_norm_grad1", grid,
         {A(n), A(dy), A(x), A(mean), A(variance), A(gamma), A(beta), A(dgamma), A(dbeta), A(dx)});
}

void GpuKernels::Uniform(float* target, int64_t length, uint32_t first, uint32_t second, double min, double width) {
  if (length == 0) return;
  Launch("uniform", Linear(length), {A(target), A(length), A(first), A(second), A(min), A(width)});
}

}  // namespace hayate
