import assert from 'node:assert/strict';
import { findingsOf } from './sanitizer-report.ts';

const leak = (...frames: string[]) =>
  [
    'Direct leak of 40 byte(s) in 1 object(s) allocated from:',
    ...frames.map((frame, at) => `    #${at} ${frame}`),
  ].join('\n');
const allocated = '0x7f in operator new(unsigned long) asan_new_delete.cpp:95';
const alias = '0x7f in hayate::Context::Alias(long) /checkout/worker/engine/native/addon/context.cc:73';
const tensorflow = '0x7f in TF_AllocateTensor (/cache/libtensorflow_cc.so.2+0x12)';
const node = '0x8b in napi_create_external (/modules/bin/node+0x8b54eb)';

describe('findingsOf', () => {
  it('lists memory that the addon lost, also where TensorFlow took it', () => {
    const own = [leak(allocated, alias, node), leak(allocated, tensorflow, alias, node)];
    const report = ['==7==ERROR: LeakSanitizer: detected memory leaks', ...own, 'SUMMARY: 80 byte(s) leaked'];
    assert.deepEqual(findingsOf(report.join('\n\n')), { errors: [], leaks: own });
  });

  it('leaves out what Node and TensorFlow keep, and what the addon makes once', () => {
    const once = '0x7f in hayate::AllSignatures() /checkout/worker/engine/native/addon/op_signatures.cc:120';
    const others = [leak(allocated, node, alias), leak(allocated, tensorflow), leak(allocated, once)];
    assert.deepEqual(findingsOf(others.join('\n\n')).leaks, []);
  });

  it('lists every other error, whoever made it', () => {
    const overflow = `==7==ERROR: AddressSanitizer: heap-buffer-overflow\n    #0 ${tensorflow}`;
    const undefinedBehaviour = 'host_kernels.cc:40:12: runtime error: signed integer overflow';
    assert.deepEqual(findingsOf(`${overflow}\n\n${undefinedBehaviour}`).errors, [overflow, undefinedBehaviour]);
  });
});
