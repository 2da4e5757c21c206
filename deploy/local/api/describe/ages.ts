const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;
const year = 365 * day;

/** A span of time as `kubectl get` shows it: two units at most, coarser as it grows. Source: apimachinery's HumanDuration. */
export function ageText(spanMs: number): string {
  if (spanMs < -2 * second) return '<invalid>';
  if (spanMs <= 0) return '0s';
  const units = (unitMs: number): number => Math.floor(spanMs / unitMs);
  const mixed = (large: number, largeName: string, small: number, smallName: string): string => {
    const rest = Math.floor((spanMs % large) / small);
    return `${units(large)}${largeName}${rest === 0 ? '' : `${rest}${smallName}`}`;
  };
  if (spanMs < 2 * minute) return `${units(second)}s`;
  if (spanMs < 10 * minute) return mixed(minute, 'm', second, 's');
  if (spanMs < 3 * hour) return `${units(minute)}m`;
  if (spanMs < 8 * hour) return mixed(hour, 'h', minute, 'm');
  if (spanMs < 2 * day) return `${units(hour)}h`;
  if (spanMs < 8 * day) return mixed(day, 'd', hour, 'h');
  if (spanMs < 2 * year) return `${units(day)}d`;
  if (spanMs < 8 * year) return mixed(year, 'y', day, 'd');
  return `${units(year)}y`;
}

/** Age of something at `now`, from its RFC 3339 time; `<unknown>` without one. */
export function ageSince(time: unknown, now: Date): string {
  const from = typeof time === 'string' ? Date.parse(time) : Number.NaN;
  return Number.isNaN(from) ? '<unknown>' : ageText(now.getTime() - from);
}
