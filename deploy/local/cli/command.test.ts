import assert from 'node:assert/strict';
import { nearest, parseCommand } from './command.ts';

function sentence(...args: string[]): string {
  const parsed = parseCommand(args);
  assert.equal(parsed.ok, false);
  return parsed.ok ? '' : parsed.sentence;
}

function command(...args: string[]): unknown {
  const parsed = parseCommand(args);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.sentence);
  return parsed.command;
}

describe('parseCommand', () => {
  it('reads every command with its options', () => {
    assert.deepEqual(command('start'), { kind: 'start', directory: '.hayate', json: false });
    assert.deepEqual(command('run', 'a.yaml', '--json', 'b.yaml', '--keep', '--directory=/x'), {
      kind: 'run',
      directory: '/x',
      json: true,
      keep: true,
      files: ['a.yaml', 'b.yaml'],
    });
    assert.deepEqual(command('up', '--port', '81'), { kind: 'up', directory: '.hayate', port: 81 });
    assert.deepEqual(command('plan', 'a'), { kind: 'plan', files: ['a'], json: false, workspaceMib: 0 });
    assert.deepEqual(command('plan', 'a', '--json', '--workspace-mib', '256'), {
      kind: 'plan',
      files: ['a'],
      json: true,
      workspaceMib: 256,
    });
    assert.deepEqual(command('validate', 'a'), { kind: 'validate', files: ['a'] });
    assert.deepEqual(command('--version'), { kind: 'version' });
  });

  it('shows help where somebody may look for it', () => {
    assert.deepEqual(command(), { kind: 'help', topic: undefined });
    assert.deepEqual(command('--help'), { kind: 'help', topic: undefined });
    assert.deepEqual(command('help', 'up'), { kind: 'help', topic: 'up' });
    assert.deepEqual(command('run', '-h'), { kind: 'help', topic: 'run' });
  });

  it('says what is wrong in one sentence with the nearest right word', () => {
    assert.equal(sentence('strat'), 'unknown command "strat"; did you mean start?');
    assert.equal(sentence('frobnicate'), 'unknown command "frobnicate"; see hayate --help');
    assert.equal(sentence('start', '--jsno'), 'hayate start has no option --jsno; did you mean --json?');
    assert.equal(sentence('start', 'now'), 'hayate start takes no argument "now"; see hayate help start');
    assert.equal(sentence('up', '--port'), '--port needs a value; see hayate help up');
    assert.equal(
      sentence('up', '--port', '99999'),
      '--port 99999 is not a port number between 1 and 65535; see hayate help up',
    );
    assert.equal(
      sentence('plan', 'a', '--workspace-mib=much'),
      '--workspace-mib much is not a number of MiB; see hayate help plan',
    );
    assert.equal(sentence('run'), 'hayate run needs a file, for example: hayate run job.yaml; see hayate help run');
    assert.equal(sentence('run', 'a', '--json=yes'), '--json takes no value; see hayate help run');
  });
});

describe('nearest', () => {
  it('finds a slip of the fingers and nothing far away', () => {
    assert.equal(nearest('vaildate', ['start', 'run', 'validate']), 'validate');
    assert.equal(nearest('xyz', ['start', 'run', 'validate']), undefined);
  });
});
