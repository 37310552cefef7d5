// What is shown, as a file: a picture or a table. Names come from a recording: nothing of them is markup or a formula.

/** One way to save a view: a text, or canvases that become one picture below each other. */
export type Export = { name: "SVG" | "CSV"; type: string; make: () => string } | { name: "PNG"; canvases: () => HTMLCanvasElement[] };

/** A picture whose upper left corner is at 0, 0. */
export interface Drawing {
  width: number;
  height: number;
  body: string;
}

/** For the text of SVG. What XML has no place for becomes a mark. */
export function escaped(text: string): string {
  const plain = text.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]/gu, "\ufffd");
  return plain.replace(/[&<>"]/g, (it) => `&#${it.charCodeAt(0)};`);
}

/** The name of SVG in XML is an address. The browser knows it, so that none stands in the page. */
function svgNamespace(): string {
  return new DOMParser().parseFromString("<svg></svg>", "text/html").querySelector("svg")!.namespaceURI!;
}

/** Drawings below each other. */
export function joined(flames: readonly { svg(): Drawing }[]): string {
  let height = 0;
  let width = 0;
  const parts = flames.map((flame) => {
    const drawing = flame.svg();
    const part = `<g transform="translate(0 ${height})">${drawing.body}</g>`;
    height += drawing.height;
    width = Math.max(width, drawing.width);
    return part;
  });
  return `<svg xmlns="${svgNamespace()}" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">\n${parts.join("\n")}\n</svg>\n`;
}

/** RFC 4180. A text that a spreadsheet would take for a formula gets an apostrophe in front; a number that is not known is empty. */
export function csv(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cell = (value: string | number): string => {
    if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
    const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [head, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

async function pictureOf(canvases: readonly HTMLCanvasElement[]): Promise<Blob> {
  const whole = document.createElement("canvas");
  whole.width = Math.max(...canvases.map((it) => it.width));
  whole.height = canvases.reduce((sum, it) => sum + it.height, 0);
  const context = whole.getContext("2d", { alpha: false })!;
  let top = 0;
  for (const canvas of canvases) {
    context.drawImage(canvas, 0, top);
    top += canvas.height;
  }
  return new Promise((resolve, reject) => whole.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/png"));
}

/** Hand it to the browser as a file called STEM with the usual suffix; its name. */
export async function save(what: Export, stem: string): Promise<string> {
  const blob = what.name === "PNG" ? await pictureOf(what.canvases()) : new Blob([what.make()], { type: `${what.type};charset=utf-8` });
  const name = `${stem.replace(/[^\w.-]+/g, "_").slice(0, 80)}.${what.name.toLowerCase()}`;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000); // the browser takes it when it pleases
  return name;
}
