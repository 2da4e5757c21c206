/** Where a run is shown: lines that stay, and a few at the bottom that are redrawn. */
export interface Screen {
  print(lines: readonly string[]): void;
  /** Replaces the redrawn lines; on a plain output they are printed now and then instead. */
  redraw(live: readonly string[], plain: readonly string[]): void;
  /** Ends redrawing; what is there is wiped. */
  finish(): void;
}

/** A terminal: live lines are drawn over themselves. */
export function terminalScreen(write: (text: string) => void): Screen {
  let drawn = 0;
  let live: readonly string[] = [];
  const wipe = () => {
    if (drawn > 0) write(`${drawn > 1 ? `\x1b[${drawn - 1}A` : ''}\r\x1b[J`);
    drawn = 0;
  };
  const draw = () => {
    if (live.length > 0) write(live.join('\n'));
    drawn = live.length;
  };
  return {
    print(lines) {
      if (lines.length === 0) return;
      wipe();
      for (const line of lines) write(`${line}\n`);
      draw();
    },
    redraw(lines) {
      if (lines.join('\n') === live.join('\n') && drawn > 0) return;
      wipe();
      live = lines;
      draw();
    },
    finish() {
      wipe();
      live = [];
    },
  };
}

/** A pipe or a log file: live lines at most every `everyMs`, and only when they say something new. */
export function plainScreen(write: (text: string) => void, now: () => number, everyMs: number): Screen {
  let lastMs = Number.NEGATIVE_INFINITY;
  let last = '';
  return {
    print(lines) {
      for (const line of lines) write(`${line}\n`);
    },
    redraw(_live, plain) {
      const text = plain.join('\n');
      if (text === '' || text === last || now() - lastMs < everyMs) return;
      lastMs = now();
      last = text;
      write(`${text}\n`);
    },
    finish() {},
  };
}
