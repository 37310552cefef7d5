// The data of a page: a head of JSON, and columns that become typed arrays (src/view/internal.h).

export type Column = Uint8Array | Uint16Array | Uint32Array | Float32Array | Float64Array;

export interface Kind {
  state: string;
  gil: boolean;
  gc: boolean;
  parked: boolean;
  waits: string;
  clocks: number;
}

export interface Thread {
  name: string;
  id: number;
  pid: number;
  command: string;
}

export interface Finding {
  rule: string;
  tier: string;
  confidence: string;
  title: string;
  function: number;
  line: number;
  why: string;
  query: string | null;
  fix: string;
  doubt: string | null;
  gain_s: number;
  gain_low_s: number;
  gain_high_s: number;
  /** Of memory; 0: it is about time. */
  gain_bytes: number;
  gain_low_bytes: number;
  gain_high_bytes: number;
  innocent: string | null;
  innocent_s: number;
}

export type Pair = [number | null, number | null];

export interface Move {
  function: number;
  was: boolean;
  is: boolean;
  self: Pair;
  total: Pair;
  self_sure: boolean;
  total_sure: boolean;
  calls: Pair;
}

export interface Recording {
  command: string | null;
  pid: number | null;
  python: string | null;
  started: string | null;
  duration_s: number | null;
  modes: string[] | null;
  rate_hz: number | null;
  samples: number | null;
  unsure: number | null;
  missed_ticks: number | null;
  late: number | null;
  sampler_cpu_s: number | null;
  probe_s: number | null;
  cpu_kernel_s: number | null;
  cpu_profile_s: number | null;
  waiting: Record<string, number> | null;
  not_counted?: string[] | null;
}

export interface Head {
  title: string;
  recording: Recording;
  split: string;
  timed: boolean;
  traced: boolean;
  counted: boolean;
  memory: boolean; // was tracked
  memory_period: number; // bytes between two samples of it: what is told of bytes is estimated; 0: all was seen
  over_time?: { tracked: boolean; until_us: number; thinned: boolean }; // somebody looked at memory, over and over
  foreign: string | null; // what other tool's file it was read from
  timeless: boolean; // which has counts and no times
  lines_alone: boolean; // a file of counted lines, with nothing else
  lines_from_s: number; // lines were counted from then on; 0: always, or never
  total_us: number;
  parked_us: number;
  running_us: number;
  runnable_us: number;
  native_us: number;
  folded_us: number;
  kinds: Kind[];
  buckets: number;
  bucket_us: number;
  threads: Thread[];
  findings?: Finding[];
  findings_before?: Finding[]; // of the baseline
  baseline?: string;
  difference?: { total: Pair; rows: Move[] };
  strings: string[];
  files: [number, number, number][];
  columns: Record<string, [string, number, number]>;
}

type ColumnType = new (count: number) => Column;
const TYPES: Record<string, ColumnType> = { u8: Uint8Array, u16: Uint16Array, u32: Uint32Array, f32: Float32Array, f64: Float64Array };

export class Data {
  readonly head: Head;
  private readonly bytes: ArrayBuffer;
  private readonly columns: number;

  constructor(bytes: ArrayBuffer) {
    const size = new DataView(bytes).getUint32(0, true);
    this.bytes = bytes;
    this.columns = 4 + size;
    this.head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, size))) as Head;
  }

  column(name: string): Column {
    const place = this.head.columns[name];
    if (!place) return new Uint8Array(0);
    const [type, offset, count] = place;
    if (type === "same") return (offset < 256 ? new Uint8Array(count) : new Uint32Array(count)).fill(offset);
    const column = new TYPES[type]!(count);
    const bytes = new Uint8Array(this.bytes, this.columns + offset, column.byteLength);
    const width = column.BYTES_PER_ELEMENT;
    if (width === 1) return bytes;
    const whole = new Uint8Array(column.buffer); // the lowest byte of each number first, then the next one of each
    for (let plane = 0, at = 0; plane < width; plane++) for (let to = plane; to < whole.length; to += width) whole[to] = bytes[at++]!;
    return column;
  }
}

/** Ways from each number to the next, up or down, become the numbers. */
export function fromWays(ways: Column): Uint32Array {
  const values = new Uint32Array(ways.length);
  let at = 0;
  for (let i = 0; i < ways.length; i++) values[i] = at += (ways[i]! >>> 1) ^ -(ways[i]! & 1);
  return values;
}
