/** What a sanitizer's report says of our own code. */
export interface SanitizerFindings {
  /** Errors of any kind but leaks: all count, wherever they were noticed. */
  errors: string[];
  /** Memory that the addon took, or let TensorFlow take, and lost. What V8 and TensorFlow keep for themselves is not listed. */
  leaks: string[];
}

/** A frame of the addon's sources. */
const ours = /\bhayate::|\/native\/addon\/\w+\.(cc|h):\d/;
/** A frame of Node: it keeps a little for every object that a worker thread leaves behind. */
const nodes = /\/bin\/node\+0x|\bnapi_/;
/** Made once, for as long as the process lives. */
const kept = /\b(AllSignatures|Rules|InParallel)\b/;

/** Reads the reports of AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer. */
export function findingsOf(report: string): SanitizerFindings {
  const paragraphs = report.split(/\n\s*\n/).map((text) => text.trim());
  return {
    errors: paragraphs.filter((text) => /ERROR: (?!LeakSanitizer)|runtime error: /.test(text)),
    leaks: paragraphs.filter((text) => /^(Direct|Indirect) leak of /.test(text) && isOurs(text)),
  };
}

/** True where the addon asked for the memory, directly or through a library other than Node. */
function isOurs(leak: string): boolean {
  const frames = leak.split('\n').filter((line) => /^\s*#\d+ /.test(line));
  const first = frames.findIndex((frame) => ours.test(frame));
  return first >= 0 && !kept.test(leak) && !frames.slice(0, first).some((frame) => nodes.test(frame));
}
