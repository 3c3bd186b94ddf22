// Touch keys: commands at once, quantities from a pad of digits, reasons from the ERP's list.
// A key is as good as the card that it stands for: it sends the same scan.
const byId = (id) => document.getElementById(id);

export function touch(sender, reasons, both) {
  const choice = byId("choice");
  const close = () => (choice.hidden = true);

  function key(label, press) {
    const button = document.createElement("button");
    button.type = "button";
    if (typeof label === "string") button.textContent = label;
    else both(button, label);
    button.addEventListener("click", press);
    return button;
  }

  function open(keys, digits) {
    byId("digits").hidden = !digits;
    byId("digits").value = "";
    byId("no_reasons").hidden = keys.length > 0;
    byId("keys").replaceChildren(...keys);
    choice.hidden = false;
  }

  // The grammar writes 12.5 as LSQ12D5.
  function openDigits() {
    const shown = byId("digits");
    const press = (digit) => () => (shown.value += digit === "." && shown.value.includes(".") ? "" : digit);
    const send = () => {
      if (shown.value) sender.send(`LSQ${shown.value.replace(".", "D")}`);
      close();
    };
    const back = key("←", () => (shown.value = shown.value.slice(0, -1)));
    const digits = [..."789←456.1230"].map((digit) => (digit === "←" ? back : key(digit, press(digit))));
    const enter = key({ en: "Enter", zh: "输入" }, send);
    enter.className = "wide";
    open([...digits, enter], true);
  }

  function openReasons(kind) {
    const keys = (reasons()[kind] ?? []).map(({ reason, en, zh }) =>
      key({ en: `${reason} ${en}`, zh }, () => {
        sender.send(`LSC${kind.toUpperCase()}${reason}`);
        close();
      }),
    );
    open(keys, false);
  }

  for (const button of document.querySelectorAll("[data-scan]")) {
    button.addEventListener("click", () => sender.send(button.dataset.scan));
  }
  for (const button of document.querySelectorAll("[data-open]")) {
    const kind = button.dataset.open;
    button.addEventListener("click", () => (kind === "quantity" ? openDigits() : openReasons(kind)));
  }
  byId("close").addEventListener("click", close);
}
