// What is shown, as Markdown: for a ticket, a review, a chat. Names come from a recording: nothing of them ends a cell or a code span.

import type { App } from "./app";
import { h } from "./dom";

/** TEXT as code, in a table too. */
export function code(text: string): string {
  const plain = text.replace(/[\r\n\t]+/g, " ").replaceAll("|", "\\|");
  const ticks = Math.max(0, ...(plain.match(/`+/g) ?? []).map((it) => it.length));
  const fence = "`".repeat(ticks + 1);
  return ticks || /^ | $/.test(plain) ? `${fence} ${plain} ${fence}` : `${fence}${plain}${fence}`;
}

/** A cell that is a text of our own. NUMBERS: which columns are. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[], numbers: number): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, i) => (i < numbers ? "---:" : "---"))), ...rows.map(line)].join("\n");
}

export async function copyMarkdown(app: App, text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    app.say("copied as Markdown");
  } catch {
    const area = h("textarea", {}, text);
    document.body.append(area);
    area.select();
    app.say(document.execCommand("copy") ? "copied as Markdown" : "the browser does not let this page copy");
    area.remove();
  }
}
