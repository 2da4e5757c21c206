// Draws what a command printed as a terminal window: `npm start | node docs/pictures/terminal.ts > docs/pictures/run.svg`.
import { text } from 'node:stream/consumers';

const size = { font: 14, line: 20, character: 8.43, padding: 20, bar: 34 };
const colors = { window: '#14181f', bar: '#222833', text: '#cdd5e0', dim: '#7d8899', strong: '#8fd694' };

const escape = (line: string) => line.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** The line that says how it ended is set off; what only repeats (progress) is dimmed. */
function style(line: string): string {
  if (/finished in/.test(line)) return ` fill="${colors.strong}" font-weight="bold"`;
  return /^\S+: step /.test(line) ? ` fill="${colors.dim}"` : '';
}

function svg(lines: readonly string[]): string {
  const longest = Math.max(...lines.map((line) => line.length));
  const width = Math.ceil(longest * size.character + 2 * size.padding);
  const height = lines.length * size.line + 2 * size.padding + size.bar;
  const rows = lines.map((line, index) => {
    const y = size.bar + size.padding + (index + 1) * size.line - 6;
    return `<text x="${size.padding}" y="${y}"${style(line)}>${escape(line)}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<rect width="${width}" height="${height}" rx="8" fill="${colors.window}"/>`,
    `<path d="M0 8a8 8 0 0 1 8-8h${width - 16}a8 8 0 0 1 8 8v${size.bar - 8}H0z" fill="${colors.bar}"/>`,
    ...['#e06c60', '#e0b050', '#70b860'].map((fill, i) => `<circle cx="${20 + 20 * i}" cy="17" r="6" fill="${fill}"/>`),
    `<g font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="${size.font}" fill="${colors.text}" xml:space="preserve">`,
    ...rows,
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}

const shown = (await text(process.stdin)).trimEnd().split('\n');
process.stdout.write(svg(shown));
