import type { OptimizerSettings } from '../program/define.ts';
import { ProgramError } from '../program/program-error.ts';

const numbers: Readonly<Record<OptimizerSettings['kind'], readonly string[]>> = {
  sgd: ['learningRate'],
  momentum: ['learningRate', 'momentum'],
  adam: ['learningRate', 'beta1', 'beta2', 'epsilon'],
};

/** Settings that a program's `optimizer` returned. Throws {@link ProgramError} with all that is wrong with them. */
export function checkOptimizer(settings: OptimizerSettings): OptimizerSettings {
  const given = settings as unknown as Readonly<Record<string, unknown>> | undefined;
  const wanted = numbers[given?.['kind'] as OptimizerSettings['kind']];
  if (given === undefined || wanted === undefined) {
    throw new ProgramError(
      'badOptimizer',
      `optimizer must return { kind: ${Object.keys(numbers).join(' | ')}, learningRate, … }`,
    );
  }
  const required = new Set(['learningRate', 'momentum']);
  const problems = wanted.flatMap((name) => {
    const value = given[name];
    if (value === undefined && !required.has(name)) return [];
    return typeof value === 'number' && Number.isFinite(value) && value >= 0
      ? []
      : [`${name} must be a number of at least 0, not ${String(value)}`];
  });
  if (problems.length > 0)
    throw new ProgramError('badOptimizer', `optimizer returned wrong settings: ${problems.join('; ')}`);
  return settings;
}
