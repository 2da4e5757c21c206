import type {
  CustomResourceDefinition,
  DefinitionVersion,
  PrinterColumn,
  ScalePaths,
  StructuralSchema,
} from '@hayate/crds/definition.ts';

/** One kind that the server serves: everything that discovery, routes, tables and validation need to know of it. */
export interface ResourceType {
  /** API group; empty for the core group. */
  group: string;
  version: string;
  kind: string;
  listKind: string;
  plural: string;
  singular: string;
  shortNames: string[];
  categories: string[];
  namespaced: boolean;
  /** Has a /status subresource. */
  status: boolean;
  /** Has a /scale subresource. */
  scale?: ScalePaths;
  /** Has a /log subresource. */
  log?: boolean;
  verbs: string[];
  /** Custom resources only. */
  schema?: StructuralSchema;
  /** Custom resources only; the name column is not among them. */
  printerColumns?: PrinterColumn[];
  /** Fields beside metadata.name and metadata.namespace that a list can be narrowed by, for example `status.phase`. */
  selectableFields: string[];
}

/** `apps/v1`, or `v1` in the core group. */
export function apiVersionOf(type: Pick<ResourceType, 'group' | 'version'>): string {
  return type.group === '' ? type.version : `${type.group}/${type.version}`;
}

const writable = ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'];
const readOnly = ['get', 'list', 'watch'];

type Names = Pick<ResourceType, 'kind' | 'plural' | 'shortNames'> & Partial<ResourceType>;

function core(names: Names): ResourceType {
  return {
    group: '',
    version: 'v1',
    listKind: `${names.kind}List`,
    singular: names.kind.toLowerCase(),
    categories: [],
    namespaced: true,
    status: false,
    verbs: writable,
    selectableFields: [],
    ...names,
  };
}

const involvedObject = ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'];

/** The built-in kinds. Definitions and the one node are read-only. */
const builtIn: readonly ResourceType[] = [
  core({ kind: 'ConfigMap', plural: 'configmaps', shortNames: ['cm'] }),
  core({
    kind: 'Event',
    plural: 'events',
    shortNames: ['ev'],
    selectableFields: [
      ...involvedObject.map((field) => `involvedObject.${field}`),
      'reason',
      'reportingComponent',
      'source',
      'type',
    ],
  }),
  core({
    kind: 'Namespace',
    plural: 'namespaces',
    shortNames: ['ns'],
    namespaced: false,
    status: true,
    selectableFields: ['status.phase'],
  }),
  core({
    kind: 'Node',
    plural: 'nodes',
    shortNames: ['no'],
    namespaced: false,
    verbs: readOnly,
    selectableFields: ['spec.unschedulable'],
  }),
  core({
    kind: 'Pod',
    plural: 'pods',
    shortNames: ['po'],
    categories: ['all'],
    status: true,
    log: true,
    selectableFields: [
      'spec.nodeName',
      'spec.restartPolicy',
      'spec.schedulerName',
      'spec.serviceAccountName',
      'status.phase',
      'status.podIP',
    ],
  }),
  core({ kind: 'Secret', plural: 'secrets', shortNames: [], selectableFields: ['type'] }),
  core({
    kind: 'Service',
    plural: 'services',
    shortNames: ['svc'],
    categories: ['all'],
    status: true,
    selectableFields: ['spec.clusterIP', 'spec.type'],
  }),
  core({ group: 'coordination.k8s.io', kind: 'Lease', plural: 'leases', shortNames: [] }),
  core({
    group: 'apiextensions.k8s.io',
    kind: 'CustomResourceDefinition',
    plural: 'customresourcedefinitions',
    shortNames: ['crd', 'crds'],
    categories: ['api-extensions'],
    namespaced: false,
    verbs: readOnly,
  }),
];

/** All kinds that are served: the built-in ones, then every served version of `crds`. */
export function resourceTypes(crds: readonly CustomResourceDefinition[]): ResourceType[] {
  return [
    ...builtIn,
    ...crds.flatMap((crd) => crd.spec.versions.filter((v) => v.served).map((version) => customResource(crd, version))),
  ];
}

function customResource(crd: CustomResourceDefinition, version: DefinitionVersion): ResourceType {
  const { names, group, scope } = crd.spec;
  const { status, scale } = version.subresources ?? {};
  return {
    group,
    version: version.name,
    kind: names.kind,
    listKind: names.listKind,
    plural: names.plural,
    singular: names.singular,
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    namespaced: scope === 'Namespaced',
    status: status !== undefined,
    ...(scale === undefined ? {} : { scale }),
    verbs: writable,
    schema: version.schema.openAPIV3Schema,
    printerColumns: version.additionalPrinterColumns ?? [
      { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
    ],
    selectableFields: (version.selectableFields ?? []).map((field) => field.jsonPath.replace(/^\./, '')),
  };
}
