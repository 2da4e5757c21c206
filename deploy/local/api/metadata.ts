import { badRequest, type StatusCause } from './errors.ts';
import { isObject, type JsonObject, type KubeObject, type ObjectMeta } from './object.ts';

/** Fields of metadata: what a client may write, and what is the server's. */
const known = new Set(
  (
    'name generateName namespace labels annotations finalizers ownerReferences uid resourceVersion generation ' +
    'creationTimestamp deletionTimestamp deletionGracePeriodSeconds managedFields selfLink clusterName'
  ).split(' '),
);

/** Names of fields that metadata does not have, as paths. */
export function unknownMetadata(object: JsonObject): string[] {
  const metadata = isObject(object['metadata']) ? object['metadata'] : {};
  return Object.keys(metadata)
    .filter((field) => !known.has(field))
    .map((field) => `metadata.${field}`);
}

/** Throws 400 if metadata has a shape that the server cannot read. */
export function readMetadata(object: JsonObject, kind: string, version: string): ObjectMeta {
  const metadata = object['metadata'] ?? {};
  const refuse = (field: string, wanted: string): never => {
    throw badRequest(`${kind} in version "${version}" cannot be handled as a ${kind}: ${field} must be ${wanted}`);
  };
  if (!isObject(metadata)) return refuse('metadata', 'an object');
  for (const field of ['name', 'generateName', 'namespace', 'uid', 'resourceVersion']) {
    const value = metadata[field];
    if (value !== undefined && value !== null && typeof value !== 'string') refuse(`metadata.${field}`, 'a string');
  }
  for (const field of ['labels', 'annotations']) {
    const value = metadata[field] ?? {};
    if (!isObject(value) || Object.values(value).some((text) => typeof text !== 'string')) {
      refuse(`metadata.${field}`, 'an object of strings');
    }
  }
  const finalizers = metadata['finalizers'] ?? [];
  if (!Array.isArray(finalizers) || finalizers.some((text) => typeof text !== 'string')) {
    refuse('metadata.finalizers', 'a list of strings');
  }
  for (const field of ['ownerReferences', 'managedFields']) {
    const value = metadata[field] ?? [];
    if (!Array.isArray(value) || !value.every(isObject)) refuse(`metadata.${field}`, 'a list of objects');
  }
  const present = Object.entries(metadata).filter(([, value]) => value !== null && value !== '');
  return { name: '', ...Object.fromEntries(present) };
}

/** The new metadata of an existing object: what clients may write from `wanted`, the rest as it was. */
export function updatedMetadata(old: ObjectMeta, wanted: ObjectMeta): ObjectMeta {
  const { labels: _, annotations: __, finalizers: ___, ownerReferences: ____, ...kept } = old;
  return { ...kept, ...settable(wanted) };
}

/** Labels, annotations, finalizers and owners; empty ones are left out. */
export function settable(wanted: ObjectMeta): Partial<ObjectMeta> {
  const result: Partial<ObjectMeta> = {};
  const filled = <T extends object>(value: T | undefined): value is T =>
    value !== undefined && Object.keys(value).length > 0;
  if (filled(wanted.labels)) result.labels = wanted.labels;
  if (filled(wanted.annotations)) result.annotations = wanted.annotations;
  if (filled(wanted.finalizers)) result.finalizers = [...new Set(wanted.finalizers)];
  if (filled(wanted.ownerReferences)) result.ownerReferences = wanted.ownerReferences;
  return result;
}

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const subdomain = String.raw`${label}(\.${label})*`;
const labelRule = `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '${label}')`;
const subdomainRule = `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '${subdomain}')`;
const qualifiedPattern = /^(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const valuePattern = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
const qualifiedRule = `name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`;
const valueRule = `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`;

/** What is wrong with name, labels, annotations and owners. */
export function metadataCauses(object: KubeObject): StatusCause[] {
  const { name, labels = {}, annotations = {}, ownerReferences = [] } = object.metadata;
  const causes: StatusCause[] = [];
  const refuse = (field: string, value: string, why: string): void => {
    causes.push({ reason: 'FieldValueInvalid', message: `Invalid value: ${JSON.stringify(value)}: ${why}`, field });
  };
  const asLabel = object.kind === 'Namespace' || object.kind === 'Service';
  const longest = asLabel ? 63 : 253;
  if (name.length > longest) refuse('metadata.name', name, `must be no more than ${longest} bytes`);
  if (!new RegExp(`^${asLabel ? label : subdomain}$`).test(name)) {
    refuse('metadata.name', name, asLabel ? labelRule : subdomainRule);
  }
  for (const [key, value] of Object.entries(labels)) {
    if (!qualifiedPattern.test(key)) refuse('metadata.labels', key, qualifiedRule);
    if (value.length > 63) refuse('metadata.labels', value, 'must be no more than 63 bytes');
    else if (!valuePattern.test(value)) refuse('metadata.labels', value, valueRule);
  }
  for (const key of Object.keys(annotations)) {
    if (!qualifiedPattern.test(key)) refuse('metadata.annotations', key, qualifiedRule);
  }
  const annotationBytes = Object.entries(annotations).reduce((sum, [k, v]) => sum + Buffer.byteLength(k + v), 0);
  if (annotationBytes > 262_144) {
    causes.push({
      reason: 'FieldValueTooLong',
      message: 'Too long: may not be more than 262144 bytes',
      field: 'metadata.annotations',
    });
  }
  ownerReferences.forEach((owner, index) => {
    for (const field of ['apiVersion', 'kind', 'name', 'uid'] as const) {
      if (typeof owner[field] === 'string' && owner[field] !== '') continue;
      causes.push({
        reason: 'FieldValueInvalid',
        message: `Invalid value: "": must not be empty`,
        field: `metadata.ownerReferences[${index}].${field}`,
      });
    }
  });
  return causes;
}
