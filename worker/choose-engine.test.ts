import assert from 'node:assert/strict';
import { type Asked, chooseEngine, type Forced } from './choose-engine.ts';

type Devices = readonly ('cpu' | 'gpu')[];

const both: Devices = ['cpu', 'gpu'];
const onCpu: Asked = { device: 'cpu', precision: 'Float32' };
const onGpu: Asked = { device: 'gpu', precision: 'Float32' };

const choose = (forced: Partial<Forced>, asked: Asked, staged: Devices) =>
  chooseEngine({ engine: undefined, device: undefined, ...forced }, asked, (device) => staged.includes(device));

/** `engine device precision`, or the class and what it says. */
const chosen = (forced: Partial<Forced>, asked: Asked, staged: Devices = both) => {
  const choice = choose(forced, asked, staged);
  if (!choice.ok) return `${choice.class}: ${choice.problems.join('; ')}`;
  return `${choice.engine} ${choice.settings.device} ${choice.settings.precision}`;
};

describe('chooseEngine', () => {
  it('takes the native engine where it is staged for CPUs, and WASM elsewhere', () => {
    assert.equal(chosen({}, onCpu), 'native cpu float32');
    assert.equal(chosen({ engine: '', device: '' }, onCpu), 'native cpu float32');
    assert.equal(chosen({}, onCpu, []), 'wasm cpu float32');
    assert.equal(chosen({}, onCpu, ['gpu']), 'wasm cpu float32');
  });

  it('takes what is asked for, staged or not: no other engine stands in for it', () => {
    assert.equal(chosen({ engine: 'wasm' }, onCpu), 'wasm cpu float32');
    assert.equal(chosen({ engine: 'native' }, onCpu, []), 'native cpu float32');
  });

  it('computes on a GPU where the job asks for one, in the precision of the job', () => {
    assert.equal(chosen({}, onGpu), 'native gpu float32');
    assert.equal(chosen({ engine: 'native', device: 'gpu' }, onGpu, ['gpu']), 'native gpu float32');
    assert.equal(chosen({}, { ...onGpu, precision: 'TF32' }), 'native gpu tf32');
  });

  it('lets HAYATE_DEVICE decide for a job that asks for nothing', () => {
    assert.equal(chosen({ device: 'gpu' }, onCpu), 'native gpu float32');
    assert.equal(chosen({ device: 'cpu' }, onCpu), 'native cpu float32');
  });

  it('never lets the CPU stand in for a GPU', () => {
    const missing = chosen({}, onGpu, ['cpu']);
    assert.match(
      missing,
      /^engineMissing: the job asks for a GPU, and .* is not staged here; run npm run native -- gpu/,
    );
    assert.match(missing, /npm run native -- doctor/);
    assert.match(chosen({ device: 'gpu' }, onCpu, ['cpu']), /^engineMissing: HAYATE_DEVICE asks for a GPU, and/);
    assert.match(chosen({ engine: 'native' }, onGpu, ['cpu']), /^engineMissing: /);
  });

  it('says which of two things that contradict each other to change', () => {
    for (const engine of ['wasm', 'cpu']) {
      assert.equal(
        chosen({ engine }, onGpu),
        `configuration: HAYATE_ENGINE is ${engine}, which computes on the CPU, but the job asks for a GPU; unset HAYATE_ENGINE, or set workers.resourceName to '' in the manifest`,
      );
    }
    assert.equal(
      chosen({ engine: 'wasm', device: 'gpu' }, onCpu),
      'configuration: HAYATE_ENGINE is wasm, which computes on the CPU, but HAYATE_DEVICE asks for a GPU; unset HAYATE_ENGINE, or unset HAYATE_DEVICE',
    );
    assert.equal(
      chosen({ device: 'cpu' }, onGpu),
      "configuration: HAYATE_DEVICE is cpu, but the job asks for a GPU; unset HAYATE_DEVICE, or set workers.resourceName to '' in the manifest",
    );
  });

  it('names everything that does not exist, at once', () => {
    assert.equal(
      chosen({ engine: 'cuda', device: 'tpu' }, onCpu),
      'configuration: HAYATE_ENGINE: "cuda" is none of wasm, cpu, native; HAYATE_DEVICE: "tpu" is none of cpu, gpu',
    );
  });

  it('says why', () => {
    const why = (forced: Partial<Forced>, asked: Asked, staged: Devices) => {
      const choice = choose(forced, asked, staged);
      assert.ok(choice.ok);
      return choice.why;
    };
    assert.equal(why({}, onCpu, []), 'the default');
    assert.equal(why({}, onCpu, both), 'staged on this machine');
    assert.equal(why({ engine: 'cpu' }, onCpu, both), 'chosen by HAYATE_ENGINE');
    assert.equal(why({}, onGpu, both), 'the job asks for a GPU');
    assert.equal(why({ device: 'gpu' }, onCpu, both), 'HAYATE_DEVICE asks for a GPU');
  });
});
