import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LogWriter } from './logs.ts';
import { type LogQuery, readLog } from './read-log.ts';

const plain: LogQuery = { follow: false, timestamps: false };

describe('pod logs', () => {
  let directory: string;
  let path: string;
  let nowMs: number;
  let log: LogWriter;
  const problems: string[] = [];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hayate-logs-'));
    path = join(directory, 'pod.log');
    nowMs = Date.parse('2026-01-01T00:00:00Z');
    problems.length = 0;
    log = new LogWriter(
      path,
      () => nowMs,
      (sentence) => problems.push(sentence),
    );
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  async function read(query: LogQuery, from = path): Promise<string> {
    let text = '';
    for await (const line of readLog(from, query, () => true, new AbortController().signal)) text += line;
    return text;
  }

  it('give back what was written, with and without times', async () => {
    log.write('stdout', Buffer.from('one\ntw'));
    nowMs += 1500;
    log.write('stdout', Buffer.from('o\n'));
    await log.close();
    assert.equal(await read(plain), 'one\ntwo\n');
    assert.equal(
      await read({ ...plain, timestamps: true }),
      '2026-01-01T00:00:00.000Z one\n2026-01-01T00:00:01.500Z two\n',
    );
  });

  it('keep a character whose bytes arrive apart, and the last line without an end', async () => {
    const bytes = Buffer.from('疾風');
    log.write('stdout', bytes.subarray(0, 4));
    log.write('stderr', Buffer.from('other\n'));
    log.write('stdout', bytes.subarray(4));
    await log.close();
    assert.equal(await read(plain), 'other\n疾風\n');
  });

  it('cut a line without end, so that it needs no memory', async () => {
    log.write('stdout', Buffer.alloc(150_000, 'x'));
    await log.close();
    const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
    assert.deepEqual(
      lines.map((line) => line.length - '2026-01-01T00:00:00.000Z stdout P '.length),
      [65_536, 65_536, 18_928],
    );
  });

  it('show the last lines, or those since a time', async () => {
    for (const text of ['a\n', 'b\n', 'c\n']) {
      log.write('stdout', Buffer.from(text));
      nowMs += 1000;
    }
    await log.close();
    assert.equal(await read({ ...plain, tailLines: 2 }), 'b\nc\n');
    assert.equal(await read({ ...plain, tailLines: 0 }), '');
    assert.equal(await read({ ...plain, sinceMs: nowMs - 1000 }), 'c\n');
  });

  it('are followed to the end of the process', async () => {
    let over = false;
    const seen: string[] = [];
    const following = (async () => {
      const query = { ...plain, follow: true, tailLines: 1 };
      for await (const line of readLog(path, query, () => over, new AbortController().signal)) {
        seen.push(line);
        if (line === 'second\n') {
          log.write('stdout', Buffer.from('third\n'));
          await log.close();
          over = true;
        }
      }
    })();
    log.write('stdout', Buffer.from('first\nsecond\n'));
    await following;
    assert.deepEqual(seen.slice(-2), ['second\n', 'third\n']);
  });

  it('are empty for a pod that never ran', async () => {
    assert.equal(await read(plain, join(directory, 'none.log')), '');
  });

  it('say in one sentence that the disk is full, or what else is wrong, and let the process go on', async () => {
    for (const bad of ['/dev/full', join(directory, 'no', 'such', 'directory')]) {
      const writer = new LogWriter(
        bad,
        () => nowMs,
        (sentence) => problems.push(sentence),
      );
      writer.write('stdout', Buffer.from('lost\n'));
      await writer.close();
      assert.equal(writer.write('stdout', Buffer.from('lost too\n')), true);
      await writer.close();
    }
    assert.equal(problems.length, 2);
    assert.equal(problems[0], 'the disk is full: /dev/full could not be written; free some space and start again');
    assert.match(problems[1] ?? '', /directory could not be written: ENOENT/);
  });
});
