import assert from 'node:assert/strict';
import { startTestServer, type TestServer, widget, widgetsPath } from './test-server.ts';

const asTable = { Accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' };
const asMetadata = { Accept: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json' };

describe('lists and watches of the embedded API', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer({ logEvents: 20, bookmarkMs: 20 });
  });
  after(() => server.api.close());

  it('starts its versions at the clock, so that versions of an earlier run are too old', async () => {
    const { body } = await server.call('GET', widgetsPath);
    assert.ok(Number(body.metadata.resourceVersion) >= Date.parse('2026-01-02T03:04:05.678Z'));
    const lines = await server.watch(`${widgetsPath}?watch=true&resourceVersion=1767000000000`, 1);
    const status = lines[0]?.['object'] as { code: number } | undefined;
    assert.equal(status?.code, 410);
  });

  it('takes a version of the future, of a server whose clock was ahead, for too old as well', async () => {
    const lines = await server.watch(`${widgetsPath}?watch=true&resourceVersion=99999999999999`, 1);
    assert.deepEqual(
      lines.map((line) => line['type']),
      ['ERROR'],
    );
  });

  it('loses the oldest changes of a bounded log, and says so', async () => {
    const { body: before } = await server.call('GET', widgetsPath);
    for (let write = 0; write < 60; write += 1) {
      await server.call('POST', '/api/v1/namespaces/default/configmaps', { metadata: { generateName: 'c-' } });
    }
    const { resourceVersion } = before.metadata;
    const [line] = await server.watch(`${widgetsPath}?watch=true&resourceVersion=${resourceVersion}`, 1);
    const status = line?.['object'] as { code: number; message: string };
    assert.equal(status.code, 410);
    assert.match(status.message, new RegExp(`^too old resource version: ${resourceVersion} \\(\\d+\\)$`));
    const exact = await server.call(
      'GET',
      `${widgetsPath}?resourceVersion=${resourceVersion}&resourceVersionMatch=Exact`,
    );
    assert.equal(exact.code, 410);
  });

  it('refuses a continue token that is too old with one to go on from', async () => {
    for (const name of ['t1', 't2', 't3']) await server.call('POST', widgetsPath, widget(name));
    const first = await server.call('GET', `${widgetsPath}?limit=1`);
    assert.equal(first.body.metadata.remainingItemCount, 2);
    for (let write = 0; write < 60; write += 1) await server.merge(`${widgetsPath}/t1`, { spec: { count: write } });
    const late = await server.call('GET', `${widgetsPath}?limit=1&continue=${first.body.metadata.continue}`);
    assert.equal(late.code, 410);
    const rest = await server.call('GET', `${widgetsPath}?continue=${late.body.metadata.continue}`);
    assert.deepEqual(
      rest.body.items.map((item: { metadata: { name: string } }) => item.metadata.name),
      ['t2', 't3'],
    );
    assert.equal((await server.call('GET', `${widgetsPath}?continue=nonsense`)).code, 400);
  });

  it('sends bookmarks to a quiet watcher who wants them, at the version of other kinds', async () => {
    const { body: list } = await server.call('GET', widgetsPath);
    const reading = server.watch(
      `${widgetsPath}?watch=true&allowWatchBookmarks=true&resourceVersion=${list.metadata.resourceVersion}`,
      3,
    );
    await server.call('POST', '/api/v1/namespaces/default/configmaps', { metadata: { generateName: 'c-' } });
    const lines = await reading;
    assert.ok(lines.every((line) => line['type'] === 'BOOKMARK'));
    const object = lines.at(-1)?.['object'] as { kind: string; metadata: { resourceVersion: string } };
    assert.equal(object.kind, 'Widget');
    assert.ok(Number(object.metadata.resourceVersion) > Number(list.metadata.resourceVersion));
  });

  it('shows tables, the columns in the first event of a watch only', async () => {
    const { body } = await server.call('GET', widgetsPath, undefined, asTable);
    assert.equal(body.kind, 'Table');
    assert.equal(body.columnDefinitions[0]?.name, 'Name');
    assert.equal(body.rows[0]?.object.kind, 'PartialObjectMetadata');
    const lines = await server.watch(`${widgetsPath}?watch=true`, 2, asTable);
    const tables = lines.map((line) => line['object'] as { columnDefinitions: unknown; rows: unknown[] });
    assert.ok(Array.isArray(tables[0]?.columnDefinitions));
    assert.equal(tables[1]?.columnDefinitions, null);
    assert.equal(tables[1]?.rows.length, 1);
  });

  it('shows metadata alone to who asks for it, and refuses forms that it does not have', async () => {
    const { body } = await server.call('GET', widgetsPath, undefined, asMetadata);
    assert.equal(body.kind, 'PartialObjectMetadataList');
    assert.ok(body.items.length > 0);
    assert.ok(body.items.every((item) => item.spec === undefined));
    const protobuf = await server.call('GET', widgetsPath, undefined, {
      Accept: 'application/vnd.kubernetes.protobuf',
    });
    assert.equal(protobuf.code, 406);
    const either = await server.call('GET', widgetsPath, undefined, {
      Accept: 'application/vnd.kubernetes.protobuf,application/json',
    });
    assert.equal(either.body.kind, 'WidgetList');
  });

  it('refuses options of a watch that contradict each other', async () => {
    const initial = await server.call('GET', `${widgetsPath}?watch=true&sendInitialEvents=true`);
    assert.equal(initial.code, 422);
    const match = await server.call('GET', `${widgetsPath}?watch=true&resourceVersionMatch=NotOlderThan`);
    assert.equal(match.code, 422);
    assert.equal((await server.call('GET', `${widgetsPath}?watch=true&resourceVersion=x`)).code, 400);
    assert.equal((await server.call('GET', `${widgetsPath}?limit=-1`)).code, 400);
  });
});
