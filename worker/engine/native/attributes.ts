import type { DType } from '../../graph/graph.ts';
import type { AttributeValue, FlatAttributes } from './addon.ts';

/** TensorFlow's numbers of element types. */
export const typeNumber: Readonly<Record<DType, number>> = { float32: 1, int32: 3, bool: 10 };

/** An attribute of a TensorFlow op: kind and value as the addon wants them. */
export type Attribute = readonly [kind: 'i' | 'f' | 'b' | 't' | 's' | 'I', value: AttributeValue];

export type Attributes = Readonly<Record<string, Attribute>>;

export const int = (value: number): Attribute => ['i', value];
export const float = (value: number): Attribute => ['f', value];
export const bool = (value: unknown): Attribute => ['b', value === true];
export const type = (dtype: DType): Attribute => ['t', typeNumber[dtype]];
export const text = (value: string): Attribute => ['s', value];
export const ints = (values: readonly number[]): Attribute => ['I', values];

export function flatten(attributes: Attributes): FlatAttributes {
  const flat: AttributeValue[] = [];
  for (const name in attributes) {
    const [kind, value] = attributes[name] as Attribute;
    flat.push(name, kind, value);
  }
  return flat;
}
