// The supervisor's page. Shows what waits, sends decisions, and claims nothing before the collector's answer.
const POLL_MS = 3000;
const PATIENCE_MS = 15000;
const byId = (id) => document.getElementById(id);
const words = JSON.parse(byId("words").textContent);
const languages = document.documentElement.lang.startsWith("zh") ? ["zh", "en"] : ["en", "zh"];
const decide = byId("decide");
let chosen = null; // the entry that is decided on, as it was when it was chosen
let way = null;

// A sentence of the page in both languages; a value that is a text itself is put in by language.
function say(key, values = {}) {
  const fill = (language) =>
    words[key][language].replace(/{(\w+)}/g, (_, name) => values[name]?.[language] ?? values[name] ?? "");
  return { en: fill("en"), zh: fill("zh") };
}

// Show a text in both languages, the configured one first.
function both(element, text) {
  const spans = languages.map((language) => {
    const span = document.createElement("span");
    span.lang = language === "zh" ? "zh-CN" : "en";
    span.textContent = text[language];
    return span;
  });
  element.replaceChildren(spans[0], " ", spans[1]);
  return element;
}

function make(tag, text, name) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (typeof text === "string") element.textContent = text;
  else if (text) both(element, text);
  return element;
}

function answer(tone, text) {
  byId("said").hidden = false;
  byId("said").dataset.tone = tone;
  byId("mark").textContent = tone === "bad" ? "✕" : "✓";
  both(byId("message"), text);
}

const local = (instant) => new Date(instant).toLocaleString("sv-SE").slice(5, 16);

// Tabs
let tab = "waiting";
function show(name) {
  tab = name;
  for (const button of document.querySelectorAll("[data-tab]"))
    button.setAttribute("aria-pressed", String(button.dataset.tab === tab));
  for (const page of document.querySelectorAll("[data-page]"))
    page.classList.toggle("shown", page.dataset.page === tab);
}
for (const button of document.querySelectorAll("[data-tab]"))
  button.addEventListener("click", () => {
    show(button.dataset.tab);
    if (tab === "shifts") poll();
  });

// What is so now
function row(...cells) {
  const line = document.createElement("tr");
  line.append(...cells.map((cell) => make("td", cell)));
  return line;
}

function entry(one) {
  const button = make("button", null);
  button.type = "button";
  button.setAttribute("aria-pressed", String(one.id === chosen?.id));
  button.append(make("span", local(one.from), "when"), make("b", one.station), make("span", one.texts));
  button.addEventListener("click", () => choose(one));
  const item = document.createElement("li");
  item.append(button);
  return item;
}

function draw(found) {
  byId("count").textContent = String(found.waiting.length);
  byId("nothing").hidden = found.waiting.length > 0;
  byId("waiting").replaceChildren(...found.waiting.map(entry));
  const alerts = found.alerts.map((one) => make("li", `! ${one.text}. ${one.hint}`));
  if (found.undated) alerts.unshift(make("li", found.undated.texts));
  byId("alerts").replaceChildren(...alerts);
  byId("jobs").replaceChildren(
    ...found.jobs.map((one) =>
      row(one.station, one.job, say(`state_${one.state}`), one.operators.join(", "), one.good, one.scrap),
    ),
  );
  both(byId("delivery"), found.delivery.summary.text);
  byId("receivers").replaceChildren(
    ...found.delivery.receivers.map((one) =>
      row(one.name, words[`receiver_${one.state}`] ?? one.state, String(one.waiting), String(one.quarantined)),
    ),
  );
}

const hours = (seconds) => (Number(seconds) / 3600).toFixed(2);

// Pieces in each unit, one below the other.
function pieces(figures) {
  const cell = document.createElement("td");
  cell.append(
    ...figures.map((one) => {
      const line = make("div", `${one.quantity} `);
      line.append(make("small", one.texts));
      return line;
    }),
  );
  return cell;
}

function shiftRow(one) {
  const shift = make("td", one.production_date ? `${one.production_date} ${one.shift ?? ""}` : say("undated_shift"));
  const line = row();
  line.append(shift, make("td", one.station ?? "-"));
  line.append(...["good", "concession", "rework", "scrap"].map((name) => pieces(one[name])));
  const machine = hours(one.machine_s) + (one.machine_known ? "" : " + ?");
  const times = [hours(one.labour_s), hours(one.setup_s), machine, hours(one.unassigned_s)];
  line.append(...times.map((text) => make("td", text)));
  const nobodys = pieces(one.unattributed);
  if (one.held) nobodys.append(make("div", say("held_counts", { count: one.held })));
  line.append(nobodys, make("td", String(one.waiting)));
  return line;
}

async function pollShifts() {
  const response = await fetch("/api/v1/shifts", { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!response.ok) throw new Error(response.statusText);
  const { shifts } = await response.json();
  byId("shifts").replaceChildren(...shifts.map(shiftRow));
  byId("no_shifts").hidden = shifts.length > 0;
}

async function poll() {
  try {
    const response = await fetch("/api/v1/review", { signal: AbortSignal.timeout(PATIENCE_MS) });
    draw(await response.json());
    if (tab === "shifts") await pollShifts();
    byId("news").textContent = new Date().toLocaleTimeString("sv-SE");
  } catch {
    both(byId("news"), say("stale"));
  }
}

// Deciding on an entry
function choose(one) {
  chosen = one;
  decide.hidden = false;
  decide.reset();
  both(byId("what"), one.texts);
  const rows = Object.entries({ from: local(one.from), to: local(one.to), ...one.evidence });
  byId("evidence").replaceChildren(
    ...rows
      .filter(([name]) => words[`evidence_${name}`])
      .flatMap(([name, value]) => [make("dt", say(`evidence_${name}`)), make("dd", one.words[name] ?? String(value))]),
  );
  byId("ways").replaceChildren(
    ...one.possible.map((name) => {
      const button = make("button", say(name));
      button.type = "button";
      button.dataset.way = name;
      button.addEventListener("click", () => take(name));
      return button;
    }),
  );
  take(one.possible[0]);
  for (const button of byId("waiting").querySelectorAll("button")) button.setAttribute("aria-pressed", "false");
}

function take(name) {
  way = name;
  for (const button of byId("ways").children)
    button.setAttribute("aria-pressed", String(button.dataset.way === name));
  byId("parts").replaceChildren();
  byId("more").hidden = name !== "split";
  if (name === "reassign") addPart(chosen.quantity);
  if (name === "split") [null, null].forEach(() => addPart(null));
  preview();
}

function addPart(quantity) {
  const part = byId("part").content.firstElementChild.cloneNode(true);
  const hide = (name) => (part.querySelector(`[name=${name}]`).closest("label").hidden = true);
  if (chosen.of === "material") ["job", "disposition", "reason"].forEach(hide);
  else hide("lot");
  if (chosen.of === "time") ["disposition", "reason"].forEach(hide);
  if (chosen.of === "time") both(part.querySelector("[name=quantity]").previousElementSibling, say("seconds"));
  part.querySelector("[name=quantity]").value = quantity ?? "";
  part.querySelector("[name=job]").value = chosen.evidence.job ?? chosen.evidence.after ?? "";
  byId("parts").append(part);
}

const value = (place, name) => place.querySelector(`[name=${name}]`).value.trim();
const without = (fields) => Object.fromEntries(Object.entries(fields).filter(([, one]) => one));

function job(place) {
  const [order, operation] = value(place, "job").split("/").map((one) => one.trim());
  return { work_order: order, operation };
}

function share(part) {
  const common = { quantity: value(part, "quantity") };
  if (chosen.of === "material") return without({ ...common, lot: value(part, "lot") });
  const pieces = { disposition: value(part, "disposition"), reason: value(part, "reason") };
  return without({ ...common, ...job(part), ...(chosen.of === "time" ? {} : pieces) });
}

// What will be recorded: beside the evidence, before anybody presses.
function preview() {
  const parts = [...byId("parts").children].map(share);
  const lines = parts.map((one) =>
    say(chosen.of === "material" ? "becomes_lot" : one.work_order ? "becomes" : "becomes_nobodys", {
      quantity: one.quantity ?? "?",
      job: `${one.work_order}/${one.operation ?? "?"}`,
      lot: one.lot ?? "?",
      kind: one.disposition ? say(`kind_${one.disposition}`) : { en: "", zh: "" },
    }),
  );
  byId("after").replaceChildren(
    ...(parts.length ? lines : [say(`becomes_${way}`)]).map((line) => make("li", line)),
  );
}

byId("more").addEventListener("click", () => (addPart(null), preview()));
decide.addEventListener("input", preview);
byId("leave").addEventListener("click", () => close());
function close() {
  chosen = null;
  decide.hidden = true;
}

// One key for one content: sent again after a lost connection it is recorded once.
const keys = { body: null, key: null };
function keyOf(body) {
  if (keys.body !== body) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    keys.body = body;
    keys.key = [...bytes].map((one) => one.toString(16).padStart(2, "0")).join("");
  }
  return keys.key;
}

async function send(asked, form) {
  const body = JSON.stringify(asked);
  const submit = form.querySelector("[type=submit]");
  submit.disabled = true;
  try {
    const response = await fetch("/api/v1/settlements", {
      method: "POST",
      headers: { "Content-Type": "application/json", "Idempotency-Key": keyOf(body) },
      body,
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const found = await response.json();
    keys.body = null;
    const doubted = !response.ok && found.type?.endsWith(":check-confirm") && !asked.confirm;
    if (doubted && window.confirm(`${found.texts.zh}\n${found.texts.en}`))
      return await send({ ...asked, confirm: true }, form);
    answer(response.ok ? "good" : "bad", found.texts ?? { en: found.detail, zh: found.detail });
    if (response.ok) {
      form.reset();
      if (form === decide) close();
    }
  } catch {
    answer("bad", say("unknown"));
  } finally {
    submit.disabled = false;
    await poll();
  }
}

const people = (form) => ({
  person: value(form, "person"),
  approved_by: value(form, "approved_by"),
  note: value(form, "note"),
});

decide.addEventListener("submit", (event) => {
  event.preventDefault();
  const parts = [...byId("parts").children].map(share);
  const more = way === "reassign" ? { to: parts[0] } : way === "split" ? { parts } : {};
  send(without({ how: way, settles: [chosen.id], ...people(decide), ...more }), decide);
});

byId("makeup").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = byId("makeup");
  const get = (name) => value(form, name);
  const output = without({ quantity: get("quantity"), disposition: get("disposition"), reason: get("reason") });
  const used = without({ material: get("material"), quantity: get("used"), lot: get("lot") });
  const seconds = (minutes) => String(Math.round(Number(minutes.replace(",", ".")) * 60));
  const asked = without({
    how: "make_up",
    station: get("station"),
    time: new Date(get("time")).toISOString(),
    ...job(form),
    ...people(form),
    outputs: get("quantity") ? [output] : null,
    materials: get("material") ? [used] : null,
    labour: get("operator") ? [{ operator: get("operator"), s: seconds(get("minutes")) }] : null,
  });
  send(asked, form);
});

// A scanner ends a badge with Enter: that leads to the next field and records nothing.
for (const form of document.querySelectorAll("form"))
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target.tagName !== "INPUT") return;
    event.preventDefault();
    const fields = [...form.elements].filter((one) => one.offsetParent && !one.disabled);
    fields[fields.indexOf(event.target) + 1]?.focus();
  });

show("waiting");
await poll();
setInterval(poll, POLL_MS);
