// The first script of the page: opens the style and the program, which stand in it packed, while the browser still reads the data. The page's policy names
// them by their hashes.

import { open } from "./packed";

async function load(): Promise<void> {
  const [style, script] = new TextDecoder().decode(await open("program")).split("\0") as [string, string];
  for (const [tag, text] of [["style", style], ["script", script]] as const) {
    const element = document.createElement(tag);
    element.textContent = text;
    document.head.append(element);
  }
}

load().catch((error: unknown) => {
  document.getElementById("app")!.textContent = `This page cannot be shown: ${error}. The file may be cut short, or the browser too old (it needs DecompressionStream).`;
});
