import assert from 'node:assert/strict';
import { trainingJobDefinition } from '@hayate/crds/crd.ts';
import { apiVersionOf, resourceTypes } from '../resources.ts';
import {
  aggregatedDiscovery,
  coreVersions,
  groupDocument,
  groupList,
  groupVersions,
  resourceList,
  wantsAggregated,
} from './discovery.ts';
import { openApi } from './openapi.ts';
import { versionDocument } from './version.ts';

const types = resourceTypes([trainingJobDefinition()]);

interface Discovered {
  resource: string;
  scope: string;
  verbs: string[];
  responseKind: object;
  shortNames?: string[];
  categories?: string[];
  subresources?: { subresource: string; responseKind: object; verbs: string[] }[];
}
interface Aggregated {
  items: { metadata: { name: string }; versions: { version: string; resources: Discovered[] }[] }[];
}

const resourcesOf = (root: 'api' | 'apis', group: string): Discovered[] => {
  const { items } = aggregatedDiscovery(types, root) as Aggregated;
  return items.find((item) => item.metadata.name === group)?.versions[0]?.resources ?? [];
};

describe('discovery', () => {
  it('lists a custom resource with its names and subresources', () => {
    const kind = { group: 'hayate.dev', version: 'v1alpha1', kind: 'TrainingJob' };
    const verbs = ['get', 'patch', 'update'];
    assert.deepEqual(resourcesOf('apis', 'hayate.dev'), [
      {
        resource: 'trainingjobs',
        responseKind: kind,
        scope: 'Namespaced',
        singularResource: 'trainingjob',
        verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
        shortNames: ['tj'],
        categories: ['all'],
        subresources: [
          { subresource: 'scale', responseKind: { group: 'autoscaling', version: 'v1', kind: 'Scale' }, verbs },
          { subresource: 'status', responseKind: kind, verbs },
        ],
      },
    ]);
  });

  it('keeps the core group apart from the others', () => {
    const names = resourcesOf('api', '').map((r) => r.resource);
    assert.deepEqual(names, ['configmaps', 'events', 'namespaces', 'nodes', 'pods', 'secrets', 'services']);
    assert.deepEqual(resourcesOf('apis', ''), []);
    assert.deepEqual(
      resourcesOf('api', '')
        .find((r) => r.resource === 'pods')
        ?.subresources?.map((s) => s.subresource),
      ['log', 'status'],
    );
    assert.equal(resourcesOf('api', '').find((r) => r.resource === 'namespaces')?.scope, 'Cluster');
  });

  it('offers no writes of what is read-only', () => {
    assert.deepEqual(resourcesOf('apis', 'apiextensions.k8s.io')[0]?.verbs, ['get', 'list', 'watch']);
  });

  it('tells clients that want one answer from those that do not', () => {
    const one = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
    assert.equal(
      wantsAggregated(
        `${one},application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json`,
      ),
      true,
    );
    assert.equal(
      wantsAggregated('application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json'),
      false,
    );
    assert.equal(wantsAggregated('application/json, */*'), false);
    assert.equal(wantsAggregated(''), false);
  });

  it('has a list for every group that it names, and for no other', () => {
    const { groups } = groupList(types) as { groups: { name: string; versions: { groupVersion: string }[] }[] };
    assert.deepEqual(
      groups.map((g) => g.name),
      ['coordination.k8s.io', 'apiextensions.k8s.io', 'hayate.dev'],
    );
    for (const group of groups) {
      assert.ok(groupDocument(types, group.name));
      for (const { groupVersion } of group.versions) assert.ok(resourceList(types, groupVersion));
    }
    assert.deepEqual((coreVersions() as { versions: string[] }).versions, ['v1']);
    assert.ok(resourceList(types, 'v1'));
    assert.equal(resourceList(types, 'apps/v1'), undefined);
    assert.equal(groupDocument(types, 'apps'), undefined);
    assert.equal(groupDocument(types, ''), undefined);
  });

  it('lists subresources by their full names for older clients', () => {
    const { resources } = resourceList(types, 'hayate.dev/v1alpha1') as {
      resources: { name: string; kind: string; group?: string }[];
    };
    assert.deepEqual(
      resources.map((r) => `${r.name} ${r.group ?? '-'} ${r.kind}`),
      ['trainingjobs - TrainingJob', 'trainingjobs/scale autoscaling Scale', 'trainingjobs/status - TrainingJob'],
    );
  });
});

interface Operation {
  'x-kubernetes-group-version-kind': object;
  parameters?: { name: string; in: string }[];
}
interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, { properties: object; 'x-kubernetes-group-version-kind': object[] }> };
}

describe('OpenAPI', () => {
  const { index, documents } = openApi(types);
  const document = documents.get('apis/hayate.dev/v1alpha1') as Document;

  it('has one document a group and version, with its hash in the address', () => {
    const { paths } = index as { paths: Record<string, { serverRelativeURL: string }> };
    assert.deepEqual(
      Object.keys(paths),
      groupVersions(types).map((gv) => `${gv.group === '' ? 'api' : 'apis'}/${apiVersionOf(gv)}`),
    );
    for (const [path, { serverRelativeURL }] of Object.entries(paths)) {
      assert.match(serverRelativeURL, new RegExp(`^/openapi/v3/${path}\\?hash=[0-9A-F]{64}$`));
      assert.ok(documents.has(path));
    }
    assert.deepEqual(openApi(types).index, index);
  });

  it('lets kubectl leave validation to the server, for every kind', () => {
    for (const type of types) {
      const { group, version, kind } = type;
      const { paths } = documents.get(`${group === '' ? 'api' : 'apis'}/${apiVersionOf(type)}`) as Document;
      const patches = Object.values(paths).flatMap((operations) => operations['patch'] ?? []);
      const own = patches.find(
        (patch) =>
          JSON.stringify(patch['x-kubernetes-group-version-kind']) === JSON.stringify({ group, version, kind }),
      );
      assert.ok(
        own?.parameters?.some((p) => p.name === 'fieldValidation' && p.in === 'query'),
        kind,
      );
    }
  });

  it('holds what explain looks for: a path by its address, a schema by its kind', () => {
    const gvk = { group: 'hayate.dev', version: 'v1alpha1', kind: 'TrainingJob' };
    const path = document.paths['/apis/hayate.dev/v1alpha1/namespaces/{namespace}/trainingjobs'];
    assert.deepEqual(path?.['get']?.['x-kubernetes-group-version-kind'], gvk);
    const schema = document.components.schemas['dev.hayate.v1alpha1.TrainingJob'];
    assert.deepEqual(schema?.['x-kubernetes-group-version-kind'], [gvk]);
    assert.deepEqual(Object.keys(schema?.properties ?? {}).toSorted(), [
      'apiVersion',
      'kind',
      'metadata',
      'spec',
      'status',
    ]);
  });

  it('never offers a strategic merge patch, for which kubectl would want merge keys', () => {
    assert.ok(![...documents.values()].some((d) => JSON.stringify(d).includes('strategic')));
  });
});

describe('version', () => {
  it('is a version that clients can read', () => {
    const { major, minor, gitVersion } = versionDocument() as Record<string, string>;
    assert.match(gitVersion!, new RegExp(`^v${major}\\.${minor}\\.\\d+\\+hayate$`));
  });
});
