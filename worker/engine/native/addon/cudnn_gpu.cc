#include "cudnn_gpu.h"

#include "dynamic_library_gpu.h"
#include "failure.h"

namespace hayate::cudnn {
namespace {

Library FindAll() {
  const DynamicLibrary library({"libcudnn.so.9"}, "cuDNN");
  Library l{};
  library.Find("cudnnCreate", &l.create);
  library.Find("cudnnDestroy", &l.destroy);
  library.Find("cudnnSetStream", &l.set_stream);
  library.Find("cudnnGetErrorString", &l.error_text);
  library.Find("cudnnBackendCreateDescriptor", &l.make);
  library.Find("cudnnBackendDestroyDescriptor", &l.drop);
  library.Find("cudnnBackendSetAttribute", &l.set);
  library.Find("cudnnBackendGetAttribute", &l.get);
  library.Find("cudnnBackendFinalize", &l.finalize);
  library.Find("cudnnBackendExecute", &l.execute);
  return l;
}

}  // namespace

const Library& Load() {
  static const Library library = FindAll();
  return library;
}

void Check(Result result, const char* what) {
  if (result != kSuccess) throw Failure(TF_INTERNAL, std::string(what) + ": " + Load().error_text(result));
}

Descriptor::Descriptor(DescriptorType type) { Check(Load().make(type, &raw_), "making a descriptor"); }

Descriptor::~Descriptor() {
  if (raw_ != nullptr) Load().drop(raw_);
}

void Descriptor::Set(Attribute name, AttributeType type, int64_t count, const void* values) {
  Check(Load().set(raw_, name, type, count, values), "describing a convolution");
}

bool Descriptor::TryFinalize() { return Load().finalize(raw_) == kSuccess; }

void Descriptor::Finalize(const char* what) { Check(Load().finalize(raw_), what); }

std::vector<int> Descriptor::Notes(Attribute name, AttributeType type) const {
  std::vector<int> notes(32);
  int64_t count = 0;
  if (Load().get(raw_, name, type, notes.size(), &count, notes.data()) != kSuccess) count = 0;
  notes.resize(count);
  return notes;
}

}  // namespace hayate::cudnn
