// Elements, made in one expression. Texts become text nodes: nothing of a recording is ever markup.

type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | number | boolean | null | undefined | ((event: never) => void)>;

/** <TAG class="…">CHILDREN</TAG>: "div.name.other" has classes; a function is a listener, false and null are left out. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag | `${Tag}.${string}`,
  attributes: Attributes = {},
  ...children: (Child | Child[])[]
): HTMLElementTagNameMap[Tag] {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name as Tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value as unknown as EventListener);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, String(value));
  }
  for (const child of children.flat()) if (child || child === "") element.append(child);
  return element;
}

/** A part of a bar: its width is no attribute, since the page allows no style in one. */
export function bar(share: number, className: string): HTMLElement {
  const element = h("span", { class: className, "aria-hidden": "true" });
  element.style.width = `${Math.max(0, Math.min(100, 100 * share))}%`;
  return element;
}

export function css(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
