// What spares a reload. Every link and form here works without it and has the same address; whatever fails, the
// browser goes its own way.
const find = (selector, from = document) => from.querySelector(selector);
const say = (text) => { find("#status").textContent = text ?? ""; };
const addressOf = (url) => url.pathname + url.search;

let request;
let shown = addressOf(location);

async function load(url) {
  request?.abort();
  const { signal } = (request = new AbortController());
  const answer = await fetch(url, { signal });
  if (!answer.headers.get("content-type")?.startsWith("text/html")) throw new Error("no page");
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  // Another version, or no page of ours: only a real visit is right.
  const script = (document_) => find("script", document_)?.getAttribute("src");
  if (!answer.ok || answer.redirected || script(page) !== script(document)) throw new Error("another page");
  return page;
}

// Shows an address in place. `focus` lists selectors; the first that is there is focused.
async function show(url, focus = [], isNew = true) {
  find("main").ariaBusy = "true";
  try {
    const page = await load(url);
    const address = isNew ? find("#filters", page)?.dataset.address ?? addressOf(new URL(url, location)) : addressOf(location);
    if (isNew) history.pushState(null, "", address);
    shown = address;
    document.title = page.title;
    const unfolded = find(".fold")?.open && find(".fold", page);
    find("main").replaceWith(find("main", page));
    if (unfolded) find(".fold").open = true;
    const target = focus.map((selector) => find(selector)).find((element) => element?.checkVisibility());
    target?.focus({ preventScroll: true });
    say(find("#shown")?.dataset.spoken ?? find(".state")?.textContent.trim());
  } catch (error) {
    if (error.name === "AbortError") return;
    if (isNew) location.assign(url); else location.reload();
  }
}

const OPEN = "details:is(.drop, .menu)[open]";
const dropOf = (element) => element.closest("details.drop");
const noteOf = (drop) => find("[data-found]", drop);
const summaryOf = (element) => dropOf(element) && `#${dropOf(element).id} > summary`;

function focusAfter(link) {
  if (dropOf(link)) return [summaryOf(link), "#shown"];
  if (link.matches(".chip")) return [`#${link.id}`, "#clear-all", "#shown"];
  return ["#since[autofocus]", link.id ? `#${link.id}` : "#shown", "#shown", "main"];
}

async function more(link) {
  if (link.ariaBusy === "true") return;
  link.ariaBusy = "true";
  find("[data-failed]").hidden = true;
  const slow = setTimeout(() => { link.textContent = "Loading…"; }, 1000);
  try {
    const page = await load(link.href);
    const rows = [...page.querySelectorAll("#calls > tr")];
    const end = find("#log-end", page);
    if (!end) throw new Error("the log could not be read");
    find("#calls").append(...rows);
    find("#log-end").replaceWith(end);
    (rows[0] ? find("a", rows[0]) : find("#end"))?.focus({ preventScroll: true });
    say(`${rows.length} more calls, ${find("#calls").rows.length} shown`);
  } catch (error) {
    if (error.name === "AbortError") return;
    link.textContent = "Load more";
    find("[data-failed]").hidden = false;
  } finally {
    clearTimeout(slow);
    link.ariaBusy = "false";
  }
}

document.addEventListener("click", (event) => {
  for (const open of document.querySelectorAll(OPEN)) {
    if (!open.contains(event.target)) open.open = false;
  }
  const plain = !event.defaultPrevented && !event.button && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  const link = plain && event.target.closest("a[data-swap], a[data-more], a[data-back], [data-theme-choice]");
  // From a call to the log as it was left, filter and loaded rows, if it was left for this call.
  if (!link || (link.matches("[data-back]") && document.referrer.split("?")[0] !== link.href)) return;
  event.preventDefault();
  if (link.matches("[data-theme-choice]")) theme(link);
  else if (link.matches("[data-back]")) history.back();
  else if (link.matches("[data-more]")) more(link);
  else show(link.href, focusAfter(link));
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (/^find-(?!call)/.test(form.id)) event.preventDefault();
  if (!form.matches("form[data-swap]")) return;
  event.preventDefault();
  const fields = [...new FormData(form)].filter(([, value]) => value !== "");
  const focus = summaryOf(document.activeElement) ?? summaryOf(event.submitter ?? form) ?? "[aria-invalid]";
  show(`${form.action}?${new URLSearchParams(fields)}`, [focus, "#since[autofocus]", "#apply-custom", "#shown"]);
});

addEventListener("popstate", () => {
  if (addressOf(location) !== shown) show(location.href, ["#shown"], false);
});

// A search and ticks that were not applied are undone with their dropdown.
document.addEventListener("toggle", ({ target: drop }) => {
  if (!drop.matches?.("details.drop") || drop.open) return;
  if (drop.listed) {
    clearTimeout(waiting);
    search?.abort();
    for (const label of drop.listed) label.hidden = false;
    find(".options", drop).replaceChildren(...drop.listed);
    noteOf(drop).textContent = drop.note;
    find("[data-search]", drop).form.reset();
    drop.listed = null;
  }
  for (const box of drop.querySelectorAll("[type=checkbox]")) box.checked = box.defaultChecked;
}, true);

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches("[data-search]")) event.preventDefault();
  if (event.key !== "Escape") return;
  const open = event.target.closest(OPEN) ?? find(OPEN);
  if (open) {
    open.open = false;
    find("summary", open).focus();
  }
  find(".export")?.classList.add("quiet");
});
for (const type of ["mouseover", "focusin"]) {
  document.addEventListener(type, (event) => {
    if (!event.target.closest(".export")) find(".export")?.classList.remove("quiet");
  });
}

// Searching options: those on the page in place, more of them from the API.
let waiting, search;
document.addEventListener("input", ({ target }) => {
  if (!target.matches("[data-search]")) return;
  const drop = dropOf(target);
  drop.note ??= noteOf(drop).textContent;
  drop.listed ??= [...find(".options", drop).children];
  clearTimeout(waiting);
  if (target.dataset.search) waiting = setTimeout(() => searchAll(target), 200);
  else searchHere(target);
});

function found(input, number, total) {
  const text = input.value.trim();
  noteOf(dropOf(input)).textContent = !text ? dropOf(input).note : number ? `${number} of ${total}` : `No ${input.dataset.singular} matches “${text}”`;
}

function searchHere(input) {
  const wanted = input.value.trim().toLowerCase();
  const labels = [...dropOf(input).querySelectorAll(".options label")];
  const matching = labels.filter((label) => {
    const box = find("input", label);
    const matches = `${label.textContent} ${box.value}`.toLowerCase().includes(wanted);
    label.hidden = !matches && !box.checked;
    return matches;
  });
  found(input, matching.length, labels.length);
}

async function searchAll(input) {
  const options = find(".options", dropOf(input));
  search?.abort();
  const { signal } = (search = new AbortController());
  try {
    const answer = await fetch(`${input.dataset.search}&limit=50&q=${encodeURIComponent(input.value.trim())}`, { signal });
    const list = Object.values(await answer.json()).find((value) => value?.options);
    const checked = [...options.querySelectorAll("label:has(:checked)")];
    const kept = new Set(checked.map((label) => find("input", label).value));
    const rest = list.options.map((option) => optionOf(options.dataset.options, option)).filter((label) => !kept.has(find("input", label).value));
    options.replaceChildren(find("legend", options), ...checked, ...rest);
    found(input, rest.length, list.total);
  } catch (error) {
    if (error.name !== "AbortError") noteOf(dropOf(input)).textContent = "Could not search. Try again.";
  }
}

const element = (name, properties) => Object.assign(document.createElement(name), properties);

function optionOf(name, option) {
  const label = element("label");
  const text = element("span", { className: "option" });
  for (const part of [option.label ?? option.model, option.email ?? option.provider ?? option.member_id]) {
    if (part) text.append(element("bdi", { textContent: part }));
  }
  const box = element("input", { type: "checkbox", name, value: option.member_id ?? option.value ?? option.reason });
  label.append(box, text, element("small", { textContent: option.calls.toLocaleString("en") }));
  return label;
}

function theme(button) {
  document.documentElement.dataset.theme = button.dataset.themeChoice;
  for (const choice of document.querySelectorAll("[data-theme-choice]")) choice.ariaCurrent = choice === button ? "true" : null;
  const menu = button.closest("details");
  menu.open = false;
  find("summary", menu).focus();
  fetch(button.formAction, { method: "POST", redirect: "manual", keepalive: true }).catch(() => button.form.requestSubmit(button));
}
