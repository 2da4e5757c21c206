/**
 * Copies rows × columns matrices into their transposes: `target[c][r] = source[r][c]`, in tiles that stay in the
 * first-level cache. Strides are in elements, so a matrix may be a plane of a larger tensor.
 */
export function transpose(
  source: Float32Array,
  from: { at: number; rowStride: number },
  target: Float32Array,
  to: { at: number; rowStride: number },
  rows: number,
  columns: number,
): void {
  const tile = 16;
  for (let columnTile = 0; columnTile < columns; columnTile += tile) {
    const lastColumn = Math.min(columnTile + tile, columns);
    for (let rowTile = 0; rowTile < rows; rowTile += tile) {
      const lastRow = Math.min(rowTile + tile, rows);
      for (let c = columnTile; c < lastColumn; c++) {
        let read = from.at + rowTile * from.rowStride + c;
        let write = to.at + c * to.rowStride + rowTile;
        for (let r = rowTile; r < lastRow; r++, read += from.rowStride, write++) {
          target[write] = source[read] as number;
        }
      }
    }
  }
}

/** Copies `length` elements. */
export function copyRow(source: Float32Array, from: number, target: Float32Array, to: number, length: number): void {
  for (let i = 0; i < length; i++) target[to + i] = source[from + i] as number;
}
