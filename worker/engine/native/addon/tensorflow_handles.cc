#include "tensorflow_handles.h"

namespace hayate {

size_t ElementsOf(const std::vector<int64_t>& shape) {
  if (shape.size() > 254) Refuse("a tensor has at most 254 axes");
  size_t elements = 1;
  for (const int64_t size : shape) {
    if (size < 0) Refuse("the size of an axis is negative");
    if (size != 0 && elements > (size_t{1} << 46) / static_cast<size_t>(size)) Refuse("the shape is too large");
    elements *= static_cast<size_t>(size);
  }
  return elements;
}

size_t ElementBytes(TF_DataType type) {
  switch (type) {
    case TF_FLOAT:
    case TF_INT32:
    case TF_BOOL:
    case TF_INT64:
    case TF_HALF:
    case TF_BFLOAT16:
      return TF_DataTypeSize(type);
    default:
      Refuse("this element type cannot be exchanged with the host");
  }
}

std::vector<int64_t> ShapeOf(TFE_TensorHandle* handle) {
  Status status;
  const int axes = TFE_TensorHandleNumDims(handle, status);
  status.Check();
  std::vector<int64_t> shape(axes);
  for (int axis = 0; axis < axes; axis++) {
    shape[axis] = TFE_TensorHandleDim(handle, axis, status);
    status.Check();
  }
  return shape;
}

size_t BytesOf(TFE_TensorHandle* handle) {
  Status status;
  const int64_t elements = TFE_TensorHandleNumElements(handle, status);
  status.Check();
  return static_cast<size_t>(elements) * ElementBytes(TFE_TensorHandleDataType(handle));
}

}  // namespace hayate
