// Sends scans one after the other. Each carries a key and is sent again with it until it is answered or 30 s
// are over: a scan of long ago would be recorded with the wrong time. Nothing counts before the answer.
const GIVE_UP_MS = 30000;
const ANSWER_MS = 10000;
const RETRY_MS = 1000;
const WAITING = 20; // full: a scan is refused, visibly
const CONFIRMATION = "LSCOK";

// crypto.randomUUID is not there on plain http from another machine.
const newKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Sender {
  // `instance()` names the collector's present life; `page` has waiting(), answered() and say().
  constructor(api, instance, page) {
    Object.assign(this, { api, instance, page, queue: [], busy: false });
    page.waiting(0, false);
  }

  send(text) {
    if (this.queue.length >= WAITING) return this.page.answered("refused", this.page.say("full", { text }));
    this.queue.push({ text, key: newKey(), began: performance.now(), instance: this.instance() });
    this.page.waiting(this.queue.length, false);
    if (!this.busy) this.#work();
  }

  async #work() {
    this.busy = true;
    while (this.queue.length) {
      const scan = this.queue[0];
      const answer = await this.#answer(scan);
      this.queue.shift();
      const dropped = this.#drop(answer);
      const more = dropped.length ? this.page.say("unsent", { text: dropped.join(", ") }) : { en: "", zh: "" };
      this.page.answered(answer.result, { en: answer.text.en + more.en, zh: answer.text.zh + more.zh });
      this.page.waiting(this.queue.length, false);
    }
    this.busy = false;
  }

  // What may not follow on this answer. An OK given before a refusal was read would confirm something else.
  #drop(answer) {
    if (["recorded", "warned", "pending", "doubted", "repeated"].includes(answer.result)) return [];
    const goes = (scan) => answer.result === "unknown" || scan.text.trim().toUpperCase() === CONFIRMATION;
    const dropped = this.queue.filter(goes);
    this.queue = this.queue.filter((scan) => !goes(scan));
    return dropped.map((scan) => scan.text);
  }

  async #answer(scan) {
    const { text } = scan;
    for (let tried = false; ; tried = true) {
      try {
        const { status, body } = await this.#post(scan);
        if (status === 412 && !tried) {
          scan.instance = body.instance; // restarted before this scan was sent
        } else if (status === 412) {
          return { result: "unknown", text: this.page.say("restarted", { text }) };
        } else if (body.texts) {
          const loud = { recorded: "warned", pending: "doubted" }[body.result];
          const result = (body.warned && loud) || body.result;
          return { result, text: { en: body.texts.en.message, zh: body.texts.zh.message } };
        } else {
          return { result: "refused", text: this.page.say("refused", { text, detail: body.detail }) };
        }
      } catch {
        if (performance.now() - scan.began > GIVE_UP_MS) {
          return { result: "unknown", text: this.page.say("unknown", { text }) };
        }
        this.page.waiting(this.queue.length, true);
        this.page.answered("wait", this.page.say("retrying", { text }));
        await pause(RETRY_MS);
      }
    }
  }

  async #post({ text, key, instance }) {
    const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
    if (instance) headers["If-Match"] = `"${instance}"`;
    const signal = AbortSignal.timeout(ANSWER_MS);
    const response = await fetch(`${this.api}/scan`, { method: "POST", headers, body: JSON.stringify({ text }), signal });
    return { status: response.status, body: await response.json() };
  }
}
