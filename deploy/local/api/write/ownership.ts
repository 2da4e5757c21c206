import type { Backend } from '../backend.ts';
import { type JsonObject, kubeTime } from '../object.ts';
import type { Writer } from '../patch/managed-fields.ts';
import { coreShape, type Shape, schemaShape } from '../patch/shape.ts';
import type { WriteRequest } from '../request.ts';
import { apiVersionOf, type ResourceType } from '../resources.ts';

/** How objects of this type divide into owned fields. */
export function shapeOf(type: ResourceType): Shape {
  return type.schema === undefined ? coreShape() : schemaShape(type.schema as JsonObject);
}

/** Who the request writes as. */
export function writer(backend: Backend, request: WriteRequest, operation: Writer['operation']): Writer {
  return {
    manager: request.fieldManager === '' ? 'unknown' : request.fieldManager,
    operation,
    apiVersion: apiVersionOf(request.type),
    ...(request.subresource === undefined ? {} : { subresource: request.subresource }),
    time: kubeTime(backend.now()),
  };
}
