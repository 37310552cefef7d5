// Memory over time: what was resident and alive, step by step, and now and then which lines had it. No DOM in here.

import { fromWays, type Data } from "./data";

export interface Holder {
  fn: number;
  line: number;
  bytes: number;
}

/** When it was noted which lines had what was alive: those with the most, each what it allocated itself. */
export interface Moment {
  us: number;
  live: number; // of all lines
  holders: Holder[];
}

export const SERIES = ["rss", "live", "native"] as const;
export type Series = (typeof SERIES)[number];

const KIB = 1024;

export class MemoryOverTime {
  readonly us: Float64Array; // of each step: its figures hold until the next one
  readonly processes: Uint32Array;
  readonly peak: number; // the step with the most resident
  readonly moments: Moment[] = [];
  readonly series: readonly Series[];
  private readonly bytes: Record<Series, Float64Array>;

  private constructor(
    data: Data,
    readonly tracked: boolean, // what is alive is known
    readonly untilUs: number,
    readonly thinned: boolean, // a step is the one with the most resident of its part of the time
  ) {
    const scaled = (name: string, by: number): Float64Array => Float64Array.from(fromWays(data.column(name)), (it) => it * by);
    this.us = scaled("look_ms", 1000);
    this.bytes = { rss: scaled("look_rss", KIB), live: scaled("look_live", KIB), native: scaled("look_native", KIB) };
    this.processes = fromWays(data.column("look_processes"));
    this.series = tracked ? SERIES : ["rss"];
    this.peak = this.bytes.rss.reduce((best, it, at) => (it > this.bytes.rss[best]! ? at : best), 0);
    this.takeMoments(data);
  }

  /** Null: nobody looked. */
  static of(data: Data): MemoryOverTime | null {
    const told = data.head.over_time;
    return told ? new MemoryOverTime(data, told.tracked, told.until_us, told.thinned) : null;
  }

  private takeMoments(data: Data): void {
    const [fn, line, bytes] = [data.column("holder_function"), data.column("holder_line"), data.column("holder_bytes")];
    const [live, lines] = [data.column("moment_live"), data.column("moment_lines")];
    let at = 0;
    fromWays(data.column("moment_ms")).forEach((ms, i) => {
      const holders = Array.from({ length: lines[i]! }, (_, k) => ({ fn: fn[at + k]!, line: line[at + k]!, bytes: bytes[at + k]! }));
      at += holders.length;
      this.moments.push({ us: ms * 1000, live: live[i]! * KIB, holders });
    });
  }

  get count(): number {
    return this.us.length;
  }

  of(series: Series, step: number): number {
    return this.bytes[series][step] ?? 0;
  }

  /** The most of any series. */
  get top(): number {
    return Math.max(...this.series.map((it) => this.bytes[it].reduce((most, bytes) => Math.max(most, bytes), 0)));
  }

  /** The step that holds at US; the first one before there is any. */
  at(us: number): number {
    let [low, high] = [0, this.count - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.us[middle]! <= us) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The moment at which lines were noted while STEP held, else the one nearest to when it began; null: there is none, or no process was there. */
  momentOf(step: number): Moment | null {
    const us = this.us[step]!;
    if (this.processes[step] === 0) return null;
    const within = this.moments.find((it) => it.us >= us && it.us < (this.us[step + 1] ?? Infinity));
    return within ?? this.moments.reduce<Moment | null>((best, it) => (best && Math.abs(best.us - us) <= Math.abs(it.us - us) ? best : it), null);
  }

  /** For a picture WIDTH wide, of which the time until END_US is all: of each part the most of SERIES; NaN before the first step and after the last look. */
  columns(series: Series, width: number, endUs: number): Float64Array {
    const most = new Float64Array(width).fill(NaN);
    let step = 0;
    for (let column = 0; column < width; column++) {
      const [from, to] = [(column / width) * endUs, ((column + 1) / width) * endUs];
      while (step + 1 < this.count && this.us[step + 1]! <= from) step++;
      if (this.us[step]! >= to || from > this.untilUs) continue;
      let value = this.of(series, step);
      for (let next = step + 1; next < this.count && this.us[next]! < to; next++) value = Math.max(value, this.of(series, next));
      most[column] = value;
    }
    return most;
  }

  /** Steps for a table of at most ROWS and the peak: as many parts of the time, each at its beginning. */
  rows(rows: number): number[] {
    const chosen = new Set([this.peak]);
    for (let row = 0; row < rows; row++) chosen.add(this.count <= rows ? Math.min(row, this.count - 1) : this.at((row / (rows - 1)) * this.untilUs));
    return [...chosen].sort((a, b) => a - b);
  }
}
