#include "op_signatures.h"

#include <memory>
#include <unordered_map>

#include "failure.h"

namespace hayate {
namespace {

// One field of a serialized protocol buffer.
struct Field {
  int number;
  uint64_t varint;
  std::string_view bytes;
};

// Reads the fields of a message one by one; as much of the wire format as OpList needs.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  bool Next(Field* field) {
    if (rest_.empty()) return false;
    const uint64_t key = Varint();
    field->number = static_cast<int>(key >> 3);
    field->varint = 0;
    field->bytes = {};
    switch (key & 7) {
      case 0:
        field->varint = Varint();
        return true;
      case 1:
        Take(8);
        return true;
      case 2:
        field->bytes = Take(Varint());
        return true;
      case 5:
        Take(4);
        return true;
      default:
        throw Failure(TF_DATA_LOSS, "TensorFlow's list of ops cannot be read");
    }
  }

 private:
  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const unsigned char byte = static_cast<unsigned char>(Take(1)[0]);
      value |= static_cast<uint64_t>(byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw Failure(TF_DATA_LOSS, "TensorFlow's list of ops cannot be read");
  }

  std::string_view Take(uint64_t count) {
    if (count > rest_.size()) throw Failure(TF_DATA_LOSS, "TensorFlow's list of ops cannot be read");
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  std::string_view rest_;
};

struct Signature {
  // Number of inputs; for each, the attribute that repeats it, or empty.
  std::vector<std::string> repeats;
  // By name: "int", "float", "bool", "type", "string", "list(int)", "shape", …
  std::unordered_map<std::string, std::string> attributes;
};

using Signatures = std::unordered_map<std::string, Signature>;

std::string RepeatOf(std::string_view argument) {
  Reader reader(argument);
  std::string repeat;
  for (Field field; reader.Next(&field);) {
    if (field.number == 5 || field.number == 6) repeat = std::string(field.bytes);  // number_attr, type_list_attr
  }
  return repeat;
}

Signature SignatureOf(std::string_view op, std::string* name) {
  Signature signature;
  Reader reader(op);
  for (Field field; reader.Next(&field);) {
    if (field.number == 1) *name = std::string(field.bytes);
    if (field.number == 2) signature.repeats.push_back(RepeatOf(field.bytes));
    if (field.number != 4) continue;
    std::string key;
    std::string type;
    Reader attribute(field.bytes);
    for (Field part; attribute.Next(&part);) {
      if (part.number == 1) key = std::string(part.bytes);
      if (part.number == 2) type = std::string(part.bytes);
    }
    signature.attributes.emplace(key, type);
  }
  return signature;
}

struct DeleteBuffer {
  void operator()(TF_Buffer* buffer) const { TF_DeleteBuffer(buffer); }
};

// Read once; environments of all threads share it.
const Signatures& AllSignatures() {
  static const Signatures* const signatures = [] {
    auto* all = new Signatures;
    const std::unique_ptr<TF_Buffer, DeleteBuffer> list(TF_GetAllOpList());
    Reader reader({static_cast<const char*>(list->data), list->length});
    for (Field field; reader.Next(&field);) {
      if (field.number != 1) continue;
      std::string name;
      Signature signature = SignatureOf(field.bytes, &name);
      all->emplace(std::move(name), std::move(signature));
    }
    return all;
  }();
  return *signatures;
}

const char* TypeName(const Attribute& attribute) {
  static const char* const names[] = {"int", "float", "bool", "type", "string", "list(int)"};
  return names[attribute.value.index()];
}

}  // namespace

void CheckCall(const std::string& op, const std::vector<Attribute>& attributes, size_t inputs) {
  const auto found = AllSignatures().find(op);
  if (found == AllSignatures().end()) throw Failure(TF_NOT_FOUND, "TensorFlow has no op " + op, op);
  const Signature& signature = found->second;
  std::unordered_map<std::string, int64_t> counts;
  for (const Attribute& attribute : attributes) {
    const auto expected = signature.attributes.find(attribute.name);
    if (expected == signature.attributes.end()) {
      throw Failure(TF_INVALID_ARGUMENT, op + " has no attribute " + attribute.name, op);
    }
    if (expected->second != TypeName(attribute)) {
      throw Failure(TF_INVALID_ARGUMENT, "attribute " + attribute.name + " is a " + expected->second, op);
    }
    if (const auto* count = std::get_if<int64_t>(&attribute.value)) counts[attribute.name] = *count;
  }
  int64_t wanted = 0;
  for (const std::string& repeat : signature.repeats) {
    if (repeat.empty()) {
      wanted++;
      continue;
    }
    const auto count = counts.find(repeat);
    if (count == counts.end() || count->second < 0 || count->second > (1 << 20)) {
      throw Failure(TF_INVALID_ARGUMENT, "attribute " + repeat + " must count the inputs", op);
    }
    wanted += count->second;
  }
  if (wanted != static_cast<int64_t>(inputs)) {
    throw Failure(TF_INVALID_ARGUMENT, op + " has " + std::to_string(wanted) + " inputs", op);
  }
}

}  // namespace hayate
