import assert from 'node:assert/strict';
import { Departures } from './departures.ts';

/** An engine whose transfers arrive when the test says so, and an exchange that notes what is submitted. */
function rig() {
  const submitted: number[] = [];
  let arrivedUntil = 0;
  let asked = 0;
  const engine = {
    arrived: (transfer: number) => {
      asked = Math.max(asked, transfer);
      return transfer <= arrivedUntil;
    },
    wait: (transfer: number) => {
      arrivedUntil = Math.max(arrivedUntil, transfer);
    },
  };
  const exchange = { submit: (bucket: number) => submitted.push(bucket) };
  const departures = new Departures(engine as never, exchange as never);
  return { departures, submitted, arrive: (transfer: number) => engine.wait(transfer), asked: () => asked };
}

describe('Departures', () => {
  it('submits at once what has arrived', () => {
    const { departures, submitted } = rig();
    departures.sent(0);
    departures.submit(4);
    assert.deepEqual(submitted, [4]);
  });

  it('asks for the bytes of a bucket as soon as it is complete, also behind one that has not arrived', () => {
    const { departures, asked } = rig();
    departures.sent(1);
    departures.submit(7);
    departures.sent(2);
    assert.equal(asked(), 1);
    departures.submit(5); // an engine may have put off what nobody asked for
    assert.equal(asked(), 2);
  });

  it('submits in order, each bucket once all bytes sent before it have arrived', () => {
    const { departures, submitted, arrive } = rig();
    departures.sent(1);
    departures.sent(2);
    departures.submit(7);
    departures.sent(3);
    departures.submit(5);
    assert.deepEqual(submitted, []);
    arrive(1);
    departures.submitArrived();
    assert.deepEqual(submitted, []);
    arrive(2);
    departures.submitArrived();
    assert.deepEqual(submitted, [7]);
    departures.submitAll();
    assert.deepEqual(submitted, [7, 5]);
    departures.submitAll();
    assert.deepEqual(submitted, [7, 5]);
  });
});
