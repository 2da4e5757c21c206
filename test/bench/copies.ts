/** `npm run bench -- copies`: how fast gradients leave a device and sums come to it, with nothing else to do. */
import { parseArgs } from 'node:util';
import type { EngineSettings } from '../../worker/engine/engine.ts';
import { measureCopies } from './copies-measure.ts';
import { type BenchDocument, wholeNumber } from './document.ts';
import { deviceOption, engineOptions, openAsked } from './engine-options.ts';
import { machineWith } from './gpu-machine.ts';

interface Settings {
  bytes: readonly number[];
  device: EngineSettings['device'];
  engine: 'wasm' | 'native';
  repeats: number;
  json: boolean;
}

interface Result {
  /** Of a copy. */
  bytes: number;
  /** That were asked for at once. */
  copies: number;
  /** 10^9 bytes in a second; both ways: in each of them. */
  toHostGigabytesPerSecond: number;
  toDeviceGigabytesPerSecond: number;
  bothWaysGigabytesPerSecond: number;
}

/** As many copies as make this much are asked for at once, and not more than a training step asks for. */
const togetherBytes = 256 * 2 ** 20;
const mostTogether = 64;
const mostBytes = 2 ** 30;

/** Runs the benchmark with command-line arguments (without the name). */
export async function run(argv: string[]): Promise<void> {
  const settings = parse(argv);
  const engine = await openAsked(settings.engine, { device: settings.device, precision: 'float32' });
  const results = settings.bytes.map((bytes): Result => {
    const copies = Math.max(1, Math.min(mostTogether, Math.floor(togetherBytes / bytes)));
    const asked = { elements: bytes / 4, copies, repeats: settings.repeats, clock: () => performance.now() };
    const { toHost, toDevice, bothWays } = measureCopies(engine, asked);
    const speed = (seconds: number) => (bytes * copies) / seconds / 1e9;
    return {
      bytes,
      copies,
      toHostGigabytesPerSecond: speed(toHost),
      toDeviceGigabytesPerSecond: speed(toDevice),
      bothWaysGigabytesPerSecond: speed(bothWays),
    };
  });
  engine.dispose();
  if (settings.json) await printDocument(settings, results);
  else printTable(results);
}

function parse(argv: string[]): Settings {
  const { values } = parseArgs({
    args: argv,
    options: {
      bytes: { type: 'string', default: [1, 4, 16, 64, 256].map((mib) => mib * 2 ** 20).join() },
      engine: { type: 'string', default: 'native' },
      device: engineOptions.device,
      repeats: { type: 'string', default: '10' },
      json: { type: 'boolean', default: false },
    },
  });
  const { engine } = values;
  if (engine !== 'wasm' && engine !== 'native') throw new RangeError(`--engine ${engine}: wasm or native is needed`);
  const device = deviceOption(values.device);
  if (device === 'gpu' && engine === 'wasm') throw new RangeError('--device gpu needs --engine native');
  const bytes = values.bytes.split(',').map((text) => wholeNumber('bytes', text, 4, mostBytes));
  const odd = bytes.filter((each) => each % 4 !== 0);
  if (odd.length > 0)
    throw new RangeError(`--bytes ${odd.join()}: multiples of 4 are needed, they are float32 numbers`);
  return { bytes, device, engine, repeats: wholeNumber('repeats', values.repeats, 1, 1000), json: values.json };
}

async function printDocument({ bytes, device, engine, repeats }: Settings, results: readonly Result[]): Promise<void> {
  const machine = await machineWith(device);
  const document: BenchDocument<Result> = {
    bench: 'copies',
    settings: { bytes, device, engine },
    machine,
    repeats,
    results,
  };
  console.log(JSON.stringify(document));
}

function printTable(results: readonly Result[]): void {
  const columns = ['bytes', 'copies', 'to the host', 'to the device', 'both ways, each'];
  const speed = (gigabytesPerSecond: number) => `${gigabytesPerSecond.toFixed(1)} GB/s`;
  const rows = results.map((each) => [
    each.bytes.toLocaleString('en'),
    String(each.copies),
    speed(each.toHostGigabytesPerSecond),
    speed(each.toDeviceGigabytesPerSecond),
    speed(each.bothWaysGigabytesPerSecond),
  ]);
  for (const row of [columns, ...rows]) console.log(row.map((cell) => cell.padStart(15)).join(' '));
}
