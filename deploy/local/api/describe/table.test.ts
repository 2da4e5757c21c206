import assert from 'node:assert/strict';
import { trainingJobDefinition } from '@hayate/crds/crd.ts';
import type { KubeObject } from '../object.ts';
import { resourceTypes } from '../resources.ts';
import { tableDocument } from './table.ts';

const types = resourceTypes([trainingJobDefinition()]);
const now = new Date('2026-01-31T12:03:05Z');
const creationTimestamp = '2026-01-31T12:00:00Z';

interface Table {
  columnDefinitions: { name: string; type: string; format: string; priority: number }[];
  rows: { cells: unknown[]; object: unknown }[];
}

function table(plural: string, objects: object[], includeObject: string | null = null): Table {
  const type = types.find((t) => t.plural === plural)!;
  const whole = objects.map((object) => ({ apiVersion: 'v1', kind: type.kind, ...object })) as KubeObject[];
  return tableDocument(type, whole, { resourceVersion: '7' }, includeObject, now) as Table;
}

/** Cells by column name. */
function row(plural: string, object: object): Record<string, unknown> {
  const { columnDefinitions, rows } = table(plural, [{ metadata: { name: 'x', creationTimestamp }, ...object }]);
  return Object.fromEntries(columnDefinitions.map((column, index) => [column.name, rows[0]?.cells[index]]));
}

describe('tableDocument', () => {
  it('shows a custom resource by its printer columns', () => {
    const status = {
      phase: 'Running',
      attempt: 2,
      workers: { summary: '3/4' },
      progress: { step: 120, loss: '0.12' },
      restarts: { counted: 1 },
    };
    assert.deepEqual(row('trainingjobs', { status }), {
      Name: 'x',
      Phase: 'Running',
      Ready: '3/4',
      Step: 120,
      Restarts: 1,
      Age: '3m5s',
      Attempt: 2,
      Loss: '0.12',
    });
  });

  it('leaves cells empty for what is not there', () => {
    assert.deepEqual(Object.values(row('trainingjobs', {})), ['x', null, null, null, null, '3m5s', null, null]);
  });

  it('keeps what is for -o wide apart by its priority', () => {
    const { columnDefinitions } = table('trainingjobs', []);
    assert.deepEqual(
      columnDefinitions.filter((c) => c.priority > 0).map((c) => c.name),
      ['Attempt', 'Loss'],
    );
    assert.equal(columnDefinitions[0]?.format, 'name');
  });

  it('puts into a row what the client asks for', () => {
    const object = { metadata: { name: 'x' }, data: { a: 'b' } };
    assert.deepEqual(table('configmaps', [object]).rows[0]?.object, {
      kind: 'PartialObjectMetadata',
      apiVersion: 'meta.k8s.io/v1',
      metadata: { name: 'x' },
    });
    assert.deepEqual(table('configmaps', [object], 'Object').rows[0]?.object, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      ...object,
    });
    assert.equal(table('configmaps', [object], 'None').rows[0]?.object, null);
  });

  const running = { ready: true, restartCount: 0, state: { running: {} } };
  const ended = (terminated: object): object => ({ ready: false, restartCount: 0, state: { terminated } });
  const pods: [string, object, object, [string, string, string]][] = [
    ['a running pod', {}, { phase: 'Running', containerStatuses: [running] }, ['1/1', 'Running', '0']],
    [
      'a pod that waits',
      {},
      {
        phase: 'Pending',
        containerStatuses: [{ ready: false, restartCount: 0, state: { waiting: { reason: 'ContainerCreating' } } }],
      },
      ['0/1', 'ContainerCreating', '0'],
    ],
    ['a pod that has no status yet', {}, { phase: 'Pending' }, ['0/1', 'Pending', '0']],
    [
      'a failed pod by its reason',
      {},
      { phase: 'Failed', containerStatuses: [ended({ exitCode: 12, reason: 'Error' })] },
      ['0/1', 'Error', '0'],
    ],
    [
      'a failed pod by its exit code',
      {},
      { phase: 'Failed', containerStatuses: [ended({ exitCode: 12 })] },
      ['0/1', 'ExitCode:12', '0'],
    ],
    [
      'a killed pod by its signal',
      {},
      { phase: 'Failed', containerStatuses: [ended({ exitCode: 137, signal: 9 })] },
      ['0/1', 'Signal:9', '0'],
    ],
    [
      'a finished pod',
      {},
      { phase: 'Succeeded', containerStatuses: [ended({ exitCode: 0, reason: 'Completed' })] },
      ['0/1', 'Completed', '0'],
    ],
    ['an evicted pod', {}, { phase: 'Failed', reason: 'Evicted' }, ['0/1', 'Evicted', '0']],
    [
      'a pod that is being deleted',
      { deletionTimestamp: creationTimestamp },
      { phase: 'Running', containerStatuses: [running] },
      ['1/1', 'Terminating', '0'],
    ],
    [
      'a finished pod that is being deleted',
      { deletionTimestamp: creationTimestamp },
      { phase: 'Succeeded' },
      ['0/1', 'Succeeded', '0'],
    ],
    [
      'a pod that restarted',
      {},
      {
        phase: 'Running',
        containerStatuses: [
          { ...running, restartCount: 2, lastState: { terminated: { finishedAt: '2026-01-31T12:03:00Z' } } },
        ],
      },
      ['1/1', 'Running', '2 (5s ago)'],
    ],
  ];
  for (const [what, metadata, status, expected] of pods) {
    it(`shows ${what}`, () => {
      const { Ready, Status, Restarts } = row('pods', {
        metadata: { name: 'x', ...metadata },
        spec: { containers: [{}] },
        status,
      });
      assert.deepEqual([Ready, Status, Restarts], expected);
    });
  }

  it('shows where a pod runs', () => {
    const wide = row('pods', { spec: { nodeName: 'here', containers: [{}] }, status: { podIP: '127.1.2.3' } });
    assert.equal(wide['IP'], '127.1.2.3');
    assert.equal(wide['Node'], 'here');
    assert.equal(row('pods', {})['Node'], '<none>');
  });

  it('shows services, events and the smaller kinds', () => {
    const service = {
      spec: {
        type: 'ClusterIP',
        clusterIP: 'None',
        ports: [{ port: 29600 }, { port: 53, protocol: 'UDP' }],
        selector: { b: '1', a: '2' },
      },
    };
    assert.deepEqual(Object.values(row('services', service)), [
      'x',
      'ClusterIP',
      'None',
      '<none>',
      '29600/TCP,53/UDP',
      '3m5s',
      'a=2,b=1',
    ]);
    assert.deepEqual(Object.values(row('namespaces', { status: { phase: 'Active' } })), ['x', 'Active', '3m5s']);
    assert.deepEqual(Object.values(row('configmaps', { data: { a: '1' }, binaryData: { b: '' } })), ['x', 2, '3m5s']);
    assert.deepEqual(Object.values(row('secrets', { type: 'Opaque', data: {} })), ['x', 'Opaque', 0, '3m5s']);
    assert.deepEqual(Object.values(row('leases', { spec: { holderIdentity: 'me' } })), ['x', 'me', '3m5s']);
    assert.deepEqual(Object.values(row('customresourcedefinitions', {})), ['x', creationTimestamp]);
    assert.deepEqual(
      Object.values(
        row('nodes', {
          status: { conditions: [{ type: 'Ready', status: 'True' }], nodeInfo: { kubeletVersion: 'v1.36.0' } },
        }),
      ).slice(0, 5),
      ['x', 'Ready', '<none>', '3m5s', 'v1.36.0'],
    );
  });

  it('shows when an event was seen, however its writer says so', () => {
    const involvedObject = { kind: 'TrainingJob', name: 'mnist' };
    const base = {
      type: 'Normal',
      reason: 'Started',
      message: 'hello\n',
      involvedObject,
      eventTime: null,
      firstTimestamp: null,
      lastTimestamp: null,
    };
    const old = row('events', {
      ...base,
      firstTimestamp: creationTimestamp,
      lastTimestamp: '2026-01-31T12:03:00Z',
      count: 3,
      source: { component: 'operator', host: 'a' },
    });
    assert.deepEqual(old, {
      'Last Seen': '5s',
      Type: 'Normal',
      Reason: 'Started',
      Object: 'trainingjob/mnist',
      Subobject: '',
      Source: 'operator, a',
      Message: 'hello',
      'First Seen': '3m5s',
      Count: 3,
      Name: 'x',
    });
    const series = { count: 9, lastObservedTime: '2026-01-31T12:03:03.000000Z' };
    const young = row('events', {
      ...base,
      eventTime: '2026-01-31T12:02:05.000000Z',
      series,
      reportingComponent: 'operator',
    });
    assert.deepEqual(
      [young['Last Seen'], young['First Seen'], young['Count'], young['Source']],
      ['2s', '60s', 9, 'operator'],
    );
    assert.equal(row('events', base)['Last Seen'], '3m5s');
  });
});
