import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { StatusError } from './errors.ts';
import type { KubeObject } from './object.ts';
import { fieldSelector, labelSelector } from './selectors.ts';

const labelled = (labels: Record<string, string>): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'n', labels },
  status: { phase: 'Running' },
});

describe('labelSelector', () => {
  const matches = (text: string, labels: Record<string, string>): boolean => labelSelector(text)(labelled(labels));

  it('knows equality, sets and existence, joined by commas', () => {
    const labels = { app: 'web', tier: 'front', 'hayate.dev/job': 'x' };
    const yes = [
      '',
      'app=web',
      'app==web',
      'app!=db',
      'app in (web,db)',
      'app notin (db, mq)',
      'app',
      '!zone',
      'hayate.dev/job=x',
      'zone!=a',
      'zone notin (a)',
    ];
    const no = ['app=db', 'app!=web', 'app in (db)', 'app notin (web)', '!app', 'zone', 'app=', 'zone in (a)'];
    for (const text of yes) assert.ok(matches(text, labels), text);
    for (const text of no) assert.ok(!matches(text, labels), text);
    assert.ok(matches('app in (web,db),tier=front,!zone', labels));
    assert.ok(!matches('app in (web,db),tier=back', labels));
  });

  it('refuses what it cannot read', () => {
    for (const text of ['a=b=c', 'a in b', '(a)', 'a > 1', '=a', 'a in (b']) {
      assert.throws(
        () => labelSelector(text),
        (error) => error instanceof StatusError && error.code === 400,
        text,
      );
    }
  });

  it('is the negation of its counterpart', () => {
    const value = fc.constantFrom('x', 'y', 'z');
    fc.assert(
      fc.property(value, fc.uniqueArray(value, { minLength: 1 }), fc.boolean(), (have, list, present) => {
        const labels: Record<string, string> = present ? { k: have } : {};
        assert.notEqual(matches(`k in (${list.join(',')})`, labels), matches(`k notin (${list.join(',')})`, labels));
        assert.notEqual(matches(`k=${list[0]}`, labels), matches(`k!=${list[0]}`, labels));
        assert.notEqual(matches('k', labels), matches('!k', labels));
      }),
    );
  });
});

describe('fieldSelector', () => {
  const matches = (text: string): boolean => fieldSelector(text, ['status.phase', 'spec.nodeName'])(labelled({}));

  it('knows name, namespace and the fields of the kind; an absent field is empty', () => {
    for (const text of ['', 'metadata.name=p', 'metadata.namespace==n,status.phase!=Failed', 'spec.nodeName=']) {
      assert.ok(matches(text), text);
    }
    for (const text of ['metadata.name=q', 'status.phase=Failed', 'spec.nodeName!=']) assert.ok(!matches(text), text);
  });

  it('refuses other fields in the words of a real server', () => {
    assert.throws(() => matches('spec.foo=1'), { message: 'field label not supported: spec.foo' });
  });
});
