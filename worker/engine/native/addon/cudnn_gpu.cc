#include "cudnn_gpu.h"

#include <dlfcn.h>

#include "failure.h"

namespace hayate::cudnn {
namespace {

template <typename F>
void Find(void* library, const char* name, F* function) {
  *function = reinterpret_cast<F>(dlsym(library, name));
  if (*function == nullptr) throw Failure(TF_FAILED_PRECONDITION, std::string("cuDNN lacks ") + name);
}

Library FindAll() {
  void* const library = dlopen("libcudnn.so.9", RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) throw Failure(TF_FAILED_PRECONDITION, std::string("cuDNN cannot be loaded: ") + dlerror());
  Library l{};
  Find(library, "cudnnCreate", &l.create);
  Find(library, "cudnnDestroy", &l.destroy);
  Find(library, "cudnnSetStream", &l.set_stream);
  Find(library, "cudnnGetErrorString", &l.error_text);
  Find(library, "cudnnBackendCreateDescriptor", &l.make);
  Find(library, "cudnnBackendDestroyDescriptor", &l.drop);
  Find(library, "cudnnBackendSetAttribute", &l.set);
  Find(library, "cudnnBackendGetAttribute", &l.get);
  Find(library, "cudnnBackendFinalize", &l.finalize);
  Find(library, "cudnnBackendExecute", &l.execute);
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
