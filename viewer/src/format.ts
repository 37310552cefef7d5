// Numbers as people read them.

import type { Finding } from "./data";

/** "4.02 s", "830 ms", "12 µs"; "0" of nothing. */
export function time(us: number): string {
  if (!Number.isFinite(us)) return "–";
  const size = Math.abs(us);
  if (size === 0) return "0";
  if (size < 1) return `${digits(us * 1000)} ns`;
  if (size < 999.5) return `${digits(us)} µs`;
  if (size < 999500) return `${digits(us / 1e3)} ms`;
  if (size < 600e6) return `${digits(us / 1e6)} s`;
  return `${Math.floor(us / 60e6)} min ${String(Math.round((us % 60e6) / 1e6)).padStart(2, "0")} s`;
}

/** Three digits, as many of them behind the point as that leaves. */
function digits(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

export function percent(part: number, all: number): string {
  if (!(all > 0)) return "–";
  const value = (100 * part) / all;
  return value > 0 && value < 0.1 ? "<0.1 %" : `${value.toFixed(1)} %`;
}

/** "1.21 GiB", "830 KiB", "12 B", as `pyrometer memory` writes them. */
export function bytes(size: number): string {
  if (!Number.isFinite(size)) return "–";
  const power = size < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(size) / 10));
  return power === 0 ? `${Math.round(size)} B` : `${digits(size / 1024 ** power)} ${["B", "KiB", "MiB", "GiB", "TiB"][power]}`;
}

/** Of a table of seconds, as pstats prints them. */
export function seconds(us: number): string {
  if (!Number.isFinite(us)) return "–";
  const text = (us / 1e6).toFixed(3);
  return us > 0 && text === "0.000" ? "<0.001" : text;
}

export function count(value: number): string {
  return Number.isFinite(value) ? String(value).replace(/\B(?=(\d{3})+$)/g, " ") : "–";
}

/** "846 orders": one of it without an s. */
export function plural(number: number, word: string): string {
  return `${count(number)} ${word}${number === 1 ? "" : "s"}`;
}

/** "+1.20 s", "−830 ms". */
export function change(us: number): string {
  if (!Number.isFinite(us)) return "–";
  return us === 0 ? "±0" : `${us < 0 ? "−" : "+"}${time(Math.abs(us))}`;
}

/** "× 0.13"; "" where there is nothing to compare. */
export function ratio(before: number, after: number): string {
  return before > 0 && after > 0 ? `× ${(after / before).toFixed(2)}` : "";
}

/** What a finding would give back: "about 5.94 s" or "about 111 MiB", what of it is meant, and " (4.78 s to 6.75 s)" or "". */
export function gainOf(it: Finding): { likely: string; what: string; range: string } {
  const isTime = !(it.gain_bytes > 0);
  const text = (value: number): string => (isTime ? time(value * 1e6) : bytes(value));
  const [likely, low, high] = isTime ? [it.gain_s, it.gain_low_s, it.gain_high_s] : [it.gain_bytes, it.gain_low_bytes, it.gain_high_bytes];
  return {
    likely: low > 0 ? `about ${text(likely)}` : `up to ${text(high)}`,
    what: isTime ? "back" : "less at the peak",
    range: low > 0 ? ` (${text(low)} to ${text(high)})` : "",
  };
}
