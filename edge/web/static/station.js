// The operator page. Draws what the collector says; claims nothing by itself.
import { touch } from "./touch.js";
import { Sender } from "./sender.js";

const STALE_MS = 5000; // the collector says something at least every 2 s
const RECONNECT_MS = 3000;
const FRESH_MS = 1200;
const byId = (id) => document.getElementById(id);
const words = JSON.parse(byId("words").textContent);
const languages = document.documentElement.lang.startsWith("zh") ? ["zh", "en"] : ["en", "zh"];
const api = `/api/v1/stations/${encodeURIComponent(document.body.dataset.station)}`;
const field = byId("code");
let screen = null; // what the collector said last
let heardAt = performance.now();
let unanswered = { count: 0, retrying: false };
let unrecorded = false; // the last answer was "not recorded": stays until the next one

// A sentence of the page in both languages.
function say(key, values = {}) {
  const fill = (text) => text.replace(/{(\w+)}/g, (_, name) => values[name] ?? "");
  return { en: fill(words[key].en), zh: fill(words[key].zh) };
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
}

// "ask": taken, but recorded only with what is still missing. "doubt": the same, against a check: OK takes it upon
// oneself. "warn": recorded, and to be looked at.
const MARKS = { good: "✓", warn: "✓!", ask: "?", doubt: "?!", bad: "✕", wait: "…", info: "i" };
const TONES = { recorded: "good", warned: "warn", pending: "ask", doubted: "doubt", repeated: "good", wait: "wait" };
let freshTimer;

// The answer to the last scan: by colour and mark while fresh, then calm; what is bad stays.
function answer(tone, text) {
  const said = byId("said");
  said.dataset.tone = tone ?? "";
  byId("mark").textContent = MARKS[tone] ?? "";
  both(byId("message"), text);
  said.classList.add("fresh");
  clearTimeout(freshTimer);
  freshTimer = setTimeout(() => said.classList.remove("fresh"), FRESH_MS);
  fit();
}

// Long sentences become smaller until they fit.
function fit() {
  const message = byId("message");
  for (let size = 1.15; size >= 0.5; size -= 0.05) {
    message.style.fontSize = `${size}rem`;
    if (byId("said").scrollHeight <= byId("said").clientHeight) return;
  }
}

function draw(next) {
  const before = screen;
  screen = next;
  for (const id of ["time", "good", "scrap", "rework"]) byId(id).textContent = screen[id] ?? "–";
  byId("planned").textContent = screen.planned === null ? "" : `/ ${screen.planned}`;
  byId("reworked").hidden = !Number(screen.rework);
  byId("work_order").textContent = screen.work_order ? `${screen.work_order} / ${screen.operation}` : "–";
  byId("product").textContent = [screen.product, screen.description, screen.tool].filter(Boolean).join(" ");
  byId("machine").hidden = !screen.machine || screen.machine === "running"; // colour and words for exceptions
  if (screen.machine) both(byId("machine"), screen.machine_text);
  both(byId("state"), screen.state_text);
  both(byId("instruction"), screen.next);
  drawOperators();
  drawNoted();
  drawDevices();
  byId("delivery").dataset.tone = screen.delivery.summary.tone;
  both(byId("delivery"), screen.delivery.summary.text);
  drawReminders();
  byId("masterdata").hidden = !screen.masterdata;
  both(byId("masterdata"), screen.masterdata ?? { en: "", zh: "" });
  if (before?.said_ms !== screen.said_ms || before?.instance !== screen.instance) {
    unrecorded = false;
    const [calm, loud] = screen.state === "confirm" ? ["ask", "doubt"] : ["good", "warn"];
    const tone = screen.tone !== "good" ? screen.tone : screen.warned ? loud : calm;
    answer(tone, screen.message ?? { en: "", zh: "" });
  }
  drawAlarm();
  fit(); // a device line takes room from the message
}

function drawOperators() {
  const [first, ...others] = screen.operators;
  if (first === undefined) both(byId("operators"), say("nobody"));
  else byId("operators").textContent = others.length ? `${first} +${others.length}` : first;
}

function drawReminders() {
  const [first, ...others] = screen.reminders;
  byId("reminder").hidden = first === undefined;
  document.body.classList.toggle("reminded", first !== undefined);
  if (first === undefined) return;
  both(byId("reminder"), first);
  byId("reminder").prepend(`! ${others.length ? `+${others.length} ` : ""}`);
}

function drawNoted() {
  byId("noted").replaceChildren(
    ...screen.noted.map((one) => {
      const line = document.createElement("li");
      const name = document.createElement("span");
      both(name, words[`event.${one.type}`] ?? { en: one.type, zh: "" });
      line.append(`${one.time} `, name, ` ${one.detail_text[languages[0]]}`);
      return line;
    }),
  );
}

function drawDevices() {
  byId("devices").hidden = screen.devices.length === 0;
  byId("devices").replaceChildren(
    ...screen.devices.map((lost) => {
      const line = document.createElement("p");
      const text = document.createElement("span");
      both(text, say("lost", lost));
      line.append("✕ ", text, ` · ${lost.detail}. ${lost.hint}`);
      return line;
    }),
  );
}

function drawAlarm() {
  const storage = screen?.storage;
  document.body.classList.toggle("unrecorded", unrecorded || Boolean(storage));
  if (storage) both(byId("alarm_text"), storage.text);
  byId("alarm_hint").textContent = storage ? `${storage.message}. ${storage.hint}` : "";
  drawSaved();
}

// "saved" only where everything sent was answered, the journal can be written and the collector is heard.
function drawSaved() {
  const { classList } = document.body;
  const unsaved = unanswered.retrying || classList.contains("unrecorded");
  classList.toggle("unsaved", unsaved);
  const [mark, key] = unsaved
    ? ["✕", "unsaved"]
    : classList.contains("stale")
      ? ["○", "apart"]
      : unanswered.count
        ? ["○", "sending"]
        : ["●", "saved"];
  both(byId("saved"), say(key, unanswered));
  byId("saved").prepend(`${mark} `);
}

// What the sender reports: how many scans are not answered, and what became of each.
const sender = new Sender(api, () => screen?.instance, {
  waiting(count, retrying) {
    unanswered = { count, retrying };
    drawSaved();
  },
  answered(result, text) {
    unrecorded = result === "storage";
    if (unrecorded) both(byId("alarm_text"), text);
    answer(TONES[result] ?? "bad", text);
    drawAlarm();
  },
  say,
});

// News from the collector. A connection that says nothing is opened anew.
let source;
let openedAt = -Infinity;
function listen() {
  source?.close();
  openedAt = performance.now();
  source = new EventSource(`${api}/events`);
  source.onmessage = (event) => {
    heardAt = performance.now();
    document.body.classList.remove("stale");
    draw(JSON.parse(event.data));
  };
}

setInterval(() => {
  const now = performance.now();
  if (now - heardAt <= STALE_MS) return;
  document.body.classList.add("stale");
  drawSaved();
  both(byId("silent"), screen ? say("silent", { time: screen.time }) : { en: "", zh: "" });
  if (now - openedAt > RECONNECT_MS) listen();
}, 500);

// The field keeps the focus, so that a wedge scanner's keys arrive wherever a person touched last.
const focus = () => field.focus({ preventScroll: true });
document.addEventListener("mousedown", (event) => {
  if (event.target !== field) event.preventDefault();
});
document.addEventListener("keydown", focus, { capture: true });
field.addEventListener("blur", () => setTimeout(focus));
window.addEventListener("focus", focus);
field.addEventListener("pointerdown", () => (field.inputMode = "text")); // a tablet's own keyboard on request
byId("entry").addEventListener("submit", (event) => {
  event.preventDefault();
  if (field.value.trim()) sender.send(field.value);
  field.value = "";
  field.inputMode = "none";
});
window.addEventListener("beforeunload", (event) => sender.busy && event.preventDefault());
window.addEventListener("resize", fit);
touch(sender, () => screen?.reasons ?? {}, both);
focus();
listen();
