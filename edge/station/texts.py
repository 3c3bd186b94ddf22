"""Every sentence that the stations say, in English and Chinese.

A refusal says three things: what happened, whether anything was recorded, what to scan next.
"""

import re
from collections.abc import Iterable, Mapping

import msgspec


class Text(msgspec.Struct, frozen=True):
    """A sentence in the languages of the floor."""

    en: str
    zh: str

    def __add__(self, more: "Text") -> "Text":
        return Text(self.en + more.en, self.zh + more.zh)

    def of(self, language: str) -> str:
        return self.zh if language.startswith("zh") else self.en


def say(key: str, **values: object) -> Text:
    """The sentence named `key` with its values; a value that is a Text is put in by language."""
    en, zh = _TEXTS[key]
    in_en = {name: value.en if isinstance(value, Text) else value for name, value in values.items()}
    in_zh = {name: value.zh if isinstance(value, Text) else value for name, value in values.items()}
    return Text(en.format(**in_en), zh.format(**in_zh))


def unit(code: str) -> Text:
    """A unit as the floor calls it; UN/ECE Rec 20 codes that are not known here stand for themselves."""
    return _UNITS.get(code) or Text(code, code)


def noted(type_: str, detail: str) -> Text:
    """What is shown of a fact of that type, with its dispositions or its unit in words."""
    if type_ in ("work.reported", "work.completed", "output.reclassified"):
        en = _DISPOSED.sub(lambda found: _DISPOSITIONS[found[0]].en, detail)
        return Text(en, _DISPOSED.sub(lambda found: _DISPOSITIONS[found[0]].zh, detail))
    if type_ == "material.consumed" and (found := _MEASURED.fullmatch(detail)):
        in_words = unit(found[2])
        return Text(f"{found[1]} {in_words.en}", f"{found[1]} {in_words.zh}")
    return Text(detail, detail)


def named(reason: str, text: Mapping[str, str]) -> Text:
    """A reason: its code, with its text in each language where the ERP gave one."""
    known = _REASONS.get(reason)
    if known:
        return known
    en = text.get("en") or next(iter(text.values()), "")
    return Text(f"{reason} {en}".rstrip(), f"{reason} {text.get('zh-CN') or en}".rstrip())


def status(word: str) -> Text:
    """The status of an order or a lot."""
    return _STATUS.get(word) or Text(word, word)


def disposition(word: str) -> Text:
    """What became of a piece."""
    return _DISPOSITIONS.get(word) or Text(word, word)


def unread(reason: str) -> Text:
    """What a scanner read instead of a code. Scanning again helps but where the scanner drops separators."""
    return say("ambiguous") if reason == "ambiguous" else say("unreadable", what=_FLAWS[reason])


def meanings(names: Iterable[str]) -> Text:
    """What a code may mean: names of words, which are translated, of rules and keys, which are not."""
    known = [_MEANINGS.get(name) or Text(name, name) for name in names]
    return Text(", ".join(one.en for one in known), "、".join(one.zh for one in known))


_MEANINGS = {
    "badge": Text("badge", "工牌"),
    "order": Text("order", "工单"),
    "command": Text("command", "指令"),
    "amount": Text("quantity", "数量"),
    "label": Text("material label", "物料标签"),
}
_REASONS = {
    "switched": Text("another order is running", "正在做其他工单"),
    "standstill": Text("the machine stands", "设备停机"),
}
_STATUS = {
    "released": Text("released", "已下达"),
    "held": Text("held", "已挂起"),
    "closed": Text("closed", "已关闭"),
    "blocked": Text("blocked", "已冻结"),
    "quarantine": Text("in quarantine", "待检"),
}
_DISPOSITIONS = {
    "good": Text("good", "良品"),
    "concession": Text("concession", "让步接收"),
    "rework": Text("rework", "返工"),
    "scrap": Text("scrap", "报废"),
}
_DISPOSED = re.compile("|".join(rf"\b{word}\b" for word in _DISPOSITIONS))
_MEASURED = re.compile(r"(.* -?[\d.]+) (\S+)")
_FLAWS = {
    "garbage": Text("garbage", "乱码"),
    "too_long": Text("an over-long line", "超长内容"),
    "incomplete": Text("half a code", "半截条码"),
}
_UNITS = {
    "C62": Text("pcs", "件"),
    "H87": Text("pcs", "件"),
    "EA": Text("pcs", "件"),
    "PR": Text("pairs", "双"),
    "SET": Text("sets", "套"),
    "DZN": Text("dozen", "打"),
    "RO": Text("rolls", "卷"),
    "KGM": Text("kg", "kg"),
    "GRM": Text("g", "g"),
    "MGM": Text("mg", "mg"),
    "LBR": Text("lb", "磅"),
    "TNE": Text("t", "吨"),
    "MTR": Text("m", "米"),
    "CMT": Text("cm", "厘米"),
    "MMT": Text("mm", "毫米"),
    "FOT": Text("ft", "英尺"),
    "MTK": Text("m²", "平方米"),
    "MTQ": Text("m³", "立方米"),
    "LTR": Text("l", "升"),
    "MLT": Text("ml", "毫升"),
    "KWH": Text("kWh", "kWh"),
    "HUR": Text("h", "小时"),
    "MIN": Text("min", "分钟"),
    "SEC": Text("s", "秒"),
    "CEN": Text("hundred", "百件"),
}

_TEXTS = {
    # next
    "scan_badge": ("Scan badge", "请扫工牌"),
    "scan_order": ("Scan work order", "请扫工单"),
    "scan_go_setup": ("Set-up; scan GO when ready", "换型中，完成后扫“继续”"),
    "scan_lot": ("Scan lot, pause or DONE", "请扫物料、暂停或完工"),
    "scan_go": ("Paused: {reason}; scan GO", "已暂停：{reason}，扫“继续”"),
    "confirm_good": (
        "Good {total}? Scan OK, or scan/enter quantity",
        "良品{total}？扫“确认”或输入数量",
    ),
    "enter_good": ("Enter the good quantity (LSQ…), then scan OK", "请输入良品数量（LSQ…），再扫“确认”"),
    "enter_lot_quantity": ("Scan or enter the quantity of lot {lot} in {unit}", "请扫或输入批次{lot}的数量（{unit}）"),
    "enter_side_quantity": ("Scan or enter the quantity of {material} in {unit}", "请扫或输入{material}的数量（{unit}）"),
    "quantity_due": (
        "The shift ended: scan PART for its quantity; or lot, pause, DONE",
        "班次已结束：请扫“报工”报上班数量；或扫物料、暂停、完工",
    ),
    "badge_to_take_over": ("Scan the badge of the person who takes over", "请扫接班人员的工牌"),
    "scan_the_lot": ("Scan the lot", "请扫批次"),
    "confirm_concession": (
        "Concession of {quantity}? Quality scans a badge, or scan/enter quantity",
        "让步接收{quantity}？请质量人员扫工牌，或输入数量",
    ),
    "confirm_restart": (
        "WO {order} was completed here. Start it once more? Scan OK",
        "工单{order}已在本站完工。再次开工？扫“确认”",
    ),
    "confirm_undo": ("Scan OK to undo it", "扫“确认”以撤销"),
    "confirm_setup": ("{strokes} set-up pieces become scrap: scan OK", "换型件{strokes}计为报废：扫“确认”"),
    "confirm_defect": ("{disposition} {quantity}? Scan OK, or scan/enter quantity", "{disposition}{quantity}？扫“确认”或输入数量"),
    "confirm_check": ("Scan OK if it is right, or something else", "无误请扫“确认”，或扫其他内容"),
    "confirm_start": ("Start WO {order} / {operation}? Scan OK, or another work order", "开始工单{order} / {operation}？扫“确认”或其他工单"),
    "confirm_pause": ("Pause? Scan OK, or a pause reason", "暂停？扫“确认”或暂停原因"),
    "badge_to_leave": ("Scan the badge of the person who leaves", "请扫离岗人员的工牌"),
    # good
    "signed_on": ("{operator} signed on", "{operator} 已上岗"),
    "confirmed": ("{operator} is here: time counts again", "{operator} 已确认在岗，继续计时"),
    "signed_off": ("{operator} signed off", "{operator} 已离岗"),
    "status": ("{operator} is signed on; {jobs}", "{operator} 已在岗；{jobs}"),
    "started": ("WO {order} started", "工单{order}已开工"),
    "started_provisional": (
        "WO {order} started provisionally: the ERP has not delivered it, nothing was checked",
        "工单{order}已临时开工：ERP尚未下发，未核对",
    ),
    "setup_started": ("Set-up of WO {order} started", "工单{order}开始换型"),
    "selected": ("WO {order} selected", "已切换到工单{order}"),
    "lot_recorded": ("Lot {lot} recorded: {quantity} {unit}", "批次{lot}已记录：{quantity} {unit}"),
    "lot_recorded_as": (
        "Lot {lot} recorded: {quantity} {unit} (entered {entered})",
        "批次{lot}已记录：{quantity} {unit}（输入{entered}）",
    ),
    "lot_mounted": ("Lot {lot} mounted: {quantity} {unit}", "批次{lot}已上料：{quantity} {unit}"),
    "lot_mounted_unknown": (
        "Lot {lot} mounted; nobody said how much of it there is, so it counts until it is unmounted",
        "批次{lot}已上料；数量未知，卸料前一直按此批次扣料",
    ),
    "lot_unmounted": ("Lot {lot} unmounted, {quantity} {unit} left", "批次{lot}已卸料，剩余{quantity} {unit}"),
    "lot_unmounted_unknown": ("Lot {lot} unmounted", "批次{lot}已卸料"),
    "lot_returned": ("Lot {lot}: {quantity} {unit} returned", "批次{lot}已退料：{quantity} {unit}"),
    "extra_recorded": ("Extra issue of lot {lot} recorded: {quantity} {unit}", "已记录补料：批次{lot}，{quantity} {unit}"),
    "begun_extra": ("Extra issue", "补料"),
    "begun_return": ("Return", "退料"),
    "begun_unmount": ("Unmount", "卸料"),
    "kit_recorded": (
        "Kit {kit}: {consumed} recorded; {mounted} mounted",
        "配套{kit}：已记录{consumed}；已上料{mounted}",
    ),
    "kit_lacks": ("; not in it: {materials}", "；其中没有：{materials}"),
    "lot_pending": ("Lot {lot} of {material}", "批次{lot}，物料{material}"),
    "scrap_recorded": ("Scrap {quantity}, reason {reason}", "报废{quantity}，原因{reason}"),
    "rework_waits": ("; {count} wait for rework", "；待返工{count}件"),
    "rework_recorded": ("Rework {quantity}, reason {reason}", "返工{quantity}，原因{reason}"),
    "paused": ("Paused: {reason}", "已暂停：{reason}"),
    "resumed": ("Running again", "继续生产"),
    "proposal": ("Good {total} = {before} + {new} new", "良品{total} = 已报{before} + 新增{new}"),
    "no_counter": ("{before} reported so far", "此前已报{before}"),
    "reported": ("Reported: good {total} = {before} + {new} new", "已报工：良品{total} = {before} + 新增{new}"),
    "completed": ("WO {order} completed: good {total}, scrap {scrap}", "工单{order}已完工：良品{total}，报废{scrap}"),
    "over": ("; {over} over the planned {planned}", "；超出计划{planned}共{over}"),
    "under": ("; {under} under the planned {planned}", "；比计划{planned}少{under}"),
    "undo_shows": ("Undo {what}?", "撤销{what}？"),
    "undo_lot": ("lot {lot}, {quantity} {unit}", "批次{lot}，{quantity} {unit}"),
    "undo_kit": ("kit {kit}: {lots} materials", "配套{kit}：{lots}种物料"),
    "undo_completion": ("completion of WO {order}:{outputs}", "工单{order}的完工：{outputs}"),
    "undo_report": ("report of WO {order}:{outputs}", "工单{order}的报工：{outputs}"),
    "undo_start": ("start of WO {order}", "工单{order}的开工"),
    "undo_verdict": ("{quantity} of rework as {to}", "返工{quantity}改判为{to}"),
    "undo_output": (" {disposition} {quantity}", "{disposition}{quantity} "),
    "undone": ("Undone: {what}", "已撤销：{what}"),
    "handing_over": ("Change of shift", "交接班"),
    "took_over": ("{operator} took over; signed off: {leaving}", "{operator} 已接班；已离岗：{leaving}"),
    "completed_before": (
        "WO {order} {operation} was completed here. Nothing recorded yet. OK starts it once more, from 0; to go on with it, undo the completion",
        "工单{order}工序{operation}已在本站完工，尚未记录。扫“确认”将从0再次开工；要继续原任务请撤销完工",
    ),
    "output_lot": ("What comes out from now on is lot {lot}", "此后产出批次为{lot}"),
    "output_serial": ("Serial {serial}: {count} wait for the report", "序列号{serial}：待报{count}件"),
    "lot_changes": (
        "Output lot {lot} follows {before}; of {before}: ",
        "产出批次由{before}换为{lot}；{before}的产量：",
    ),
    "serials_shown": ("; {count} serial numbers scanned", "；已扫序列号{count}个"),
    "side_pending": ("{material} waits for its quantity", "{material}待输入数量"),
    "side_recorded": ("{material} {quantity} {unit} recorded", "{material}已记录：{quantity} {unit}"),
    "verdict": ("{quantity} of rework: {to}", "返工{quantity}：{to}"),
    "verdict_recorded": ("{quantity} of rework recorded as {to}", "返工{quantity}已改判为{to}"),
    "stays": ("WO {order} goes on", "工单{order}继续生产"),
    "of_order": ("WO {order}: ", "工单{order}："),
    "signing_off": ("Sign-off", "离岗"),
    "setup_strokes": ("{strokes} pieces counted in set-up", "换型中计数{strokes}件"),
    "repeated": ("Already taken: {text}", "已收到：{text}"),
    "provisional_lot": (
        "Lot {lot} recorded: {quantity} {unit}; lots were never received from the ERP, so it was not checked",
        "批次{lot}已记录：{quantity} {unit}；尚未收到ERP批次数据，未核对",
    ),
    "counter_scrap": ("; scrap {quantity} counted", "；报废计数{quantity}"),
    "side_counted": ("; {material} {quantity}", "；{material} {quantity}"),
    "tool_mounted": ("Tool {tool} mounted: {units} a stroke", "模具{tool}已上模：每次{units}件"),
    "tool_makes": ("Tool {tool} mounted: {materials} a stroke", "模具{tool}已上模：每次{materials}"),
    "tool_unknown_units": (
        "Tool {tool} mounted; how much it gives was never received from the ERP, so the counter's setting holds",
        "模具{tool}已上模；尚未收到ERP的每次件数，按计数器设置计算",
    ),
    "tool_other": ("; it does not make {product}, the product of WO {order}", "；该模具不生产工单{order}的产品{product}"),
    "tool_off": ("Tool {tool} taken off", "模具{tool}已下模"),
    "cavities_blocked": ("{blocked} blocked: {units} a stroke", "已堵{blocked}穴：每次{units}件"),
    "cavities_open": ("All cavities open: {units} a stroke", "模穴全部打开：每次{units}件"),
    "meter_replaced": ("{counter}: the next value is the new meter's first and counts nothing", "{counter}：下一个读数作为新表起点，不计数"),
    "propose_start": ("The machine runs without a work order. Start WO {order} / {operation}?", "设备在无工单运行，是否开始工单{order} / {operation}？"),
    "started_itself": ("The machine runs: WO {order} / {operation} started", "设备运行，工单{order} / {operation}已自动开工"),
    "propose_pause": ("The machine stands. Pause WO {order}?", "设备停机，是否暂停工单{order}？"),
    "paused_itself": ("The machine stands: WO {order} paused", "设备停机，工单{order}已自动暂停"),
    "resumed_itself": ("The machine runs: WO {order} goes on", "设备运行，工单{order}已自动恢复"),
    "lot_missing": (
        ". {quantity} {unit} of {material} recorded without a lot: the mounted ones are used up. Mount the next one, tell the shift leader which it was",
        "。{material}有{quantity} {unit}无批次记录：已上批次用完。请扫新批次上料，并告知班长实际批次",
    ),
    # bad
    "scrap_exceeds": (
        "{disposition} {quantity} would be more than the {made} pieces made. Nothing recorded yet. Scan OK if it is right, or the right quantity",
        "{disposition}{quantity}超过已生产的{made}件，尚未记录。正确请扫“确认”，否则输入正确数量",
    ),
    "tool_unknown": ("Tool {tool} is unknown. Nothing recorded. Check its label, or wait for the ERP's next delivery", "模具{tool}不存在，未记录。请核对标签或等待ERP下发"),
    "tool_unknown_counted": (
        "The machine names tool {tool}, which the ERP does not know. It was recorded; strokes count by the counter's setting. Tell the shift leader",
        "设备报告模具{tool}，ERP中不存在。已记录，按计数器设置计数，请告知班长",
    ),
    "tool_already": ("Tool {tool} is mounted already. Nothing recorded", "模具{tool}已在机上，未记录"),
    "no_tool": ("No tool is mounted. Nothing recorded. Scan the tool first (LSCTOOL …)", "未上模，未记录，请先扫模具（LSCTOOL …）"),
    "tool_by_machine": ("The machine itself names the tool here. Nothing recorded. Change it at the machine", "本站模具由设备识别，未记录，请在设备上更换"),
    "cavities_too_many": ("Tool {tool} gives {units} a stroke, {blocked} cannot be blocked. Nothing recorded. Scan the number of blocked cavities", "模具{tool}每次{units}件，不能堵{blocked}穴，未记录，请扫正确的堵穴数"),
    "cavities_same": ("{blocked} are blocked already. Nothing recorded", "已堵{blocked}穴，未记录"),
    "cavities_of_what": ("Tool {tool} makes {materials}. Nothing recorded. Scan which is blocked, for example LSCBLOCKED 1 {example}", "模具{tool}生产{materials}，未记录，请扫是哪一种，例如LSCBLOCKED 1 {example}"),
    "meter_unknown": ("There is no meter {counter} here. Nothing recorded. Allowed: {allowed}", "本站没有计量表{counter}，未记录。可用：{allowed}"),
    "unknown_code": ("Code not recognised: {text}. Not recorded", "无法识别：{text}，未记录"),
    "malformed": (
        "Code damaged or half read: {text}. Not recorded. Right form: {expects}",
        "条码损坏或不完整：{text}，未记录。正确格式：{expects}",
    ),
    "code_malformed": (
        "Label damaged or misprinted: {text}. Not recorded. Scan again; if it stays so, take another label",
        "标签损坏或印刷有误：{text}，未记录。请重扫，仍不行请换标签",
    ),
    "contradiction": (
        "{text} means two things: {rules}. Not recorded. Scan another code and tell the shift leader",
        "{text}有两种含义：{rules}，未记录。请扫其他条码并通知班长",
    ),
    "unreadable": ("The scanner read {what}. Not recorded. Scan again", "扫描枪读到{what}，未记录，请重扫"),
    "ambiguous": (
        "A code without its separators (GS): its parts cannot be told apart. Not recorded. Scanning again does not help: scan another label, or call the technician, for the scanner drops GS",
        "条码缺少分隔符（GS），无法分清各项内容，未记录。重扫无效：请扫其他标签，或找技术员设置扫描枪发送GS",
    ),
    "not_offered": ("{command} is not offered at this station yet. Nothing recorded. Ask the shift leader", "本站尚不支持{command}，未记录，请找班长"),
    "unknown_badge": ("Badge {badge} is unknown. Nothing recorded. Ask the shift leader", "工牌{badge}未登记，未记录，请找班长"),
    "not_signed_on": ("{operator} is not signed on here. Nothing recorded. Scan the badge of somebody who is", "{operator}未在本站上岗，未记录，请扫在岗人员的工牌"),
    "no_operator": ("Nobody is signed on. Nothing recorded. Scan your badge first", "无人上岗，未记录，请先扫工牌"),
    "no_orders": (
        "No work orders were received from the ERP yet. Nothing recorded. Call the shift leader",
        "尚未收到ERP工单，未记录，请找班长",
    ),
    "unknown_order": (
        "WO {order} is unknown. Nothing recorded. Check the traveller, or wait for the ERP's next delivery",
        "工单{order}不存在，未记录。请核对流转卡或等待ERP下发",
    ),
    "provisional_operation": (
        "WO {order} was not delivered by the ERP, so its operation must be scanned too. Nothing recorded. Scan LSW{order} and the operation, 0010 for one",
        "ERP尚未下发工单{order}，须同时扫工序，未记录。请扫LSW{order}加工序，例如0010",
    ),
    "provisional_material": (
        "WO {order} was not delivered by the ERP and the material of lot {lot} is unknown. Nothing recorded. Write lot and quantity down, ask the shift leader",
        "ERP尚未下发工单{order}，批次{lot}的物料未知，未记录。请记下批次和数量并找班长",
    ),
    "unknown_operation": ("WO {order} has no operation {operation}. Nothing recorded. It has {allowed}", "工单{order}没有工序{operation}，未记录。现有工序：{allowed}"),
    "which_operation": ("WO {order} has several operations here. Nothing recorded. Scan the code with the operation: {allowed}", "工单{order}在本站有多道工序，未记录，请扫带工序的条码：{allowed}"),
    "no_job": ("No work order is open. Nothing recorded. Scan the work order first", "没有已开工的工单，未记录，请先扫工单"),
    "already_running": ("WO {order} is already running. Nothing new recorded", "工单{order}已在生产，无新记录"),
    "already_paused": ("Already paused: {reason}. Nothing recorded. Scan GO to go on", "已处于暂停：{reason}，未记录，扫“继续”恢复"),
    "nothing_to_go": ("Nothing is paused or in set-up. Nothing recorded. Scan lot, pause or DONE", "没有暂停或换型，未记录，请扫物料、暂停或完工"),
    "in_setup": ("Set-up is open. Nothing recorded. Scan GO first", "正在换型，未记录，请先扫“继续”"),
    "setup_twice": ("Set-up is already open. Nothing recorded. Scan GO when ready", "已在换型中，未记录，完成后扫“继续”"),
    "quantity_alone": ("A quantity alone says nothing. Nothing recorded. Scan lot or DONE first", "只有数量无法记录，请先扫物料或完工"),
    "quantity_zero": ("A quantity above 0 is needed. Nothing recorded", "数量必须大于0，未记录"),
    "unit_unknown": ("{material} is not measured in {unit}. Nothing recorded. Allowed: {allowed}", "{material}没有单位{unit}，未记录。可用：{allowed}"),
    "below_reported": ("{total} is below the {before} already reported. Nothing recorded. Enter the total, or undo a report", "{total}低于已报的{before}，未记录。请输入总数，或撤销报工"),
    "doubtful": ("{entered} entered, the counter says {counter}. Nothing recorded yet. Scan the same quantity again, or OK for {counter}", "输入{entered}，计数器为{counter}，尚未记录。请再扫同一数量，或扫“确认”采用{counter}"),
    "ok_alone": ("Nothing waits for OK. Nothing recorded. Scan what you want to do first", "没有待确认的内容，未记录，请先扫要做的事"),
    "no_total": ("The good quantity is missing. Nothing recorded. Enter LSQ… first", "缺少良品数量，未记录，请先输入LSQ…"),
    "no_materials": ("No materials were received from the ERP yet, so {what} cannot be looked up. Nothing recorded. Scan the lot (LSL)", "尚未收到ERP物料数据，无法查找{what}，未记录。请扫批次（LSL）"),
    "label_unknown": ("{what} belongs to no material. Nothing recorded. Scan the lot (LSL), and have the number entered in the ERP", "{what}没有对应物料，未记录。请扫批次（LSL），并在ERP中维护该编号"),
    "label_several": ("{what} stands for {materials}. Nothing recorded. Scan a label with our own material code", "{what}对应多种物料{materials}，未记录。请扫带本厂物料号的标签"),
    "label_both": ("{material} both goes into this order and comes out of it. Nothing recorded. Scan the lot alone: LSL for what goes in, LSO for what comes out", "{material}既是本工单的投料也是产出，未记录。请单独扫批次：投料LSL，产出LSO"),
    "label_of_product": ("This label names the product {material}, but no lot or serial. Nothing recorded. Scan the output lot (LSO), or DONE to report", "标签为产品{material}，没有批次或序列号，未记录。请扫产出批次（LSO），报工请扫“完工”"),
    "label_without_lot": ("This label names {material}, but no lot. Nothing recorded. Scan a label with the lot, or LSL and the lot", "标签为物料{material}，没有批次，未记录。请扫带批次的标签，或LSL加批次"),
    "label_unplanned": ("WO {order} was not delivered by the ERP yet, so whether this label goes in or comes out cannot be told. Nothing recorded. Scan LSL and the lot for material", "ERP尚未下达工单{order}，无法判断标签是投料还是产出，未记录。投料请扫LSL加批次"),
    "lot_or_output": ("Lot {lot} alone may go in or come out. Nothing recorded. Scan LSL and the lot for material, LSO and the lot for output", "仅有批次{lot}，无法判断是投料还是产出，未记录。投料请扫LSL加批次，产出请扫LSO加批次"),
    "several_quantities": ("The label gives several quantities, {quantities}, none in the material's own unit. Nothing recorded. Scan the lot (LSL), then LSQ…", "标签有多个数量{quantities}，均非该物料的单位，未记录。请扫批次（LSL），再扫LSQ…"),
    "lot_several": ("Lot {lot} exists for {materials}. Nothing recorded. Scan the label that names the material", "批次{lot}对应多种物料{materials}，未记录，请扫带物料号的标签"),
    "lot_stands": ("Lot {lot} is mounted already. Nothing recorded. Scan another one, or a label with its quantity", "批次{lot}已上料，未记录。请扫其他批次，或扫带数量的标签"),
    "substitute_unit": ("Lot {lot} of {material} is measured in {unit}, the bill in {base}, so it cannot stand in. Nothing recorded. Scan another lot, tell the planner", "批次{lot}（{material}）单位为{unit}，物料清单为{base}，不能替代，未记录。请换批次并告知计划员"),
    "nothing_mounted": ("No lot is mounted here. Nothing recorded. Scan lot, pause or DONE", "本站没有已上料的批次，未记录，请扫物料、暂停或完工"),
    "not_mounted": ("Lot {lot} is not mounted here. Nothing recorded. Mounted: {mounted}", "批次{lot}未在本站上料，未记录。已上料：{mounted}"),
    "return_mounted": ("Lot {lot} is consumed by reports. Nothing recorded. Scan UNMOUNT and the lot: what is left of it goes back", "批次{lot}按报工扣料，未记录。请扫“卸料”再扫批次，余料即退回"),
    "return_unused": ("WO {order} took nothing of lot {lot}. Nothing recorded. Check the label, or scan the order that took it", "工单{order}未用批次{lot}，未记录。请核对标签，或先扫用料的工单"),
    "return_too_much": ("{quantity} {unit} are more than the {held} {unit} taken of lot {lot}. Nothing recorded. Enter what comes back", "{quantity} {unit}超过批次{lot}已领的{held} {unit}，未记录。请输入退回数量"),
    "extra_provisional": ("WO {order} was not delivered by the ERP, so nothing is extra. Nothing recorded. Scan the lot alone", "ERP尚未下发工单{order}，无法补料，未记录。请直接扫批次"),
    "kit_provisional": ("WO {order} was not delivered by the ERP, so its kit is unknown. Nothing recorded. Scan each lot", "ERP尚未下发工单{order}，配套未知，未记录。请逐个扫批次"),
    "kit_unknown": ("Kit {kit} is unknown. Nothing recorded. Check the label, or scan each lot", "配套{kit}未登记，未记录。请核对标签，或逐个扫批次"),
    "kit_quantity": ("Kit {kit}: nobody said how much {material} is in it. Nothing recorded. Scan each lot with its quantity", "配套{kit}中{material}数量未知，未记录。请逐个扫批次和数量"),
    "kit_used": ("Kit {kit}: its {material} was recorded already. Nothing recorded. Scan another kit", "配套{kit}的{material}已记录，未再记录。请扫其他配套"),
    "reason_unknown": ("Reason {reason} is unknown. Nothing recorded. Allowed: {allowed}", "原因{reason}不存在，未记录。可用：{allowed}"),
    "nothing_to_undo": ("There is nothing of yours in this shift to undo. Nothing recorded. Ask the shift leader", "本班没有可撤销的记录，未记录，请找班长"),
    "undo_others": ("The last fact here is {operator}'s. Nothing recorded. They scan their badge, then UNDO; or ask the shift leader", "最后一条记录属于{operator}，未记录。请本人扫工牌后撤销，或找班长"),
    "order_gone": ("WO {order} is no longer in the ERP's data, so lots cannot be checked. Nothing recorded. Complete it, or ask the shift leader", "ERP数据中已没有工单{order}，无法核对批次，未记录。请完工，或找班长"),
    "lot_waits": ("Lot {lot} waits for its quantity, OK does not answer that. Nothing recorded. Scan or enter LSQ…", "批次{lot}待输入数量，“确认”无效，未记录。请扫或输入LSQ…"),
    "side_waits": ("{material} waits for its quantity, OK does not answer that. Nothing recorded. Scan or enter LSQ…", "{material}待输入数量，“确认”无效，未记录。请扫或输入LSQ…"),
    "side_unknown": ("{material} is no co-product or by-product of WO {order}. Nothing recorded. It has {allowed}", "{material}不是工单{order}的联产品或副产品，未记录。现有：{allowed}"),
    "serial_twice": ("Serial {serial} was scanned already. Nothing recorded. Scan the next piece", "序列号{serial}已扫过，未记录。请扫下一件"),
    "serials_many": ("{count} serial numbers wait for their report. Nothing recorded. Scan PART and OK first", "已有{count}个序列号待报工，未记录。请先扫“报工”和“确认”"),
    "lot_already": ("The output lot is {lot} already. Nothing new recorded", "产出批次已是{lot}，无新记录"),
    "no_rework": ("No piece of this order is in rework. Nothing recorded. Scan LSCREWORK and the reason first", "本工单没有返工件，未记录。请先扫LSCREWORK加原因"),
    "verdict_unplanned": ("WO {order} was not delivered by the ERP yet, so its product is unknown. Nothing recorded. Try again once it is there", "ERP尚未下达工单{order}，产品未知，未记录。下达后再试"),
    "beyond_rework": ("{quantity} are more than the {rework} in rework. Nothing recorded yet. Enter the quantity again", "{quantity}超过返工数{rework}，尚未记录。请重新输入数量"),
    "quality_needed": ("OK grants no concession. Nothing recorded yet. A person of quality scans a badge", "“确认”不能批准让步接收，尚未记录。请质量人员扫工牌"),
    "not_quality": ("{operator} may not grant a concession. Nothing recorded yet. A person with the role quality scans a badge", "{operator}无权批准让步接收，尚未记录。请质量人员扫工牌"),
    "undo_reworked": ("Of the {quantity} set aside some were reworked meanwhile. Nothing recorded. Undo the rework first, or ask the shift leader", "待返工的{quantity}件中已有返工，未记录。请先撤销返工，或找班长"),
    "rework_again": ("Pieces of a rework order that are not right yet stay set aside. Nothing recorded. Rework them again, or scan scrap", "返工工单中尚未合格的件仍为待返工，未记录。请继续返工，或扫报废"),
    "undo_used": ("Work was already counted on this start. Nothing recorded. Complete the order, or ask the shift leader", "该开工已有产量，未记录。请完工，或找班长"),
    "gone": ("What waited for OK has changed. Nothing recorded. Start again", "待确认内容已变化，未记录，请重新操作"),
    "expired": ("Not confirmed within 60 s: {what} was not recorded. Scan it again", "60秒内未确认：{what}未记录，请重新扫码"),
    "dropped": ("; {what} was not recorded", "；{what}未记录"),
    "then": (". ", "。"),
    "restarted": ("Restarted. What was not confirmed was not recorded", "系统已重启，未确认的内容未记录"),
    "storage": ("NOT RECORDED. Write on paper, call supervisor", "未记录！请手写并叫班长"),
    "busy": ("Too much at once. NOT RECORDED. Scan again", "系统繁忙，未记录，请重扫"),
    "material_unknown": ("The material of lot {lot} is unknown. Nothing recorded. Scan a label that names the material", "批次{lot}的物料未知，未记录，请扫带物料号的标签"),
    # checks: what is wrong, and what to do instead
    "order_not_released": ("WO {order} is {status}", "工单{order}状态为{status}"),
    "order_not_released.do": ("Scan a released order", "请扫已下达工单"),
    "order_elsewhere": ("WO {order} belongs to {where}", "工单{order}属于{where}"),
    "order_elsewhere.do": ("Scan an order of {here}", "请扫{here}的工单"),
    "lot_unknown": ("Lot {lot} is unknown", "批次{lot}未登记"),
    "lot_unknown.do": ("Check the label", "请核对标签"),
    "lot_foreign": ("Lot {lot} is {material}, which this operation does not use", "批次{lot}为{material}，本工序不用"),
    "lot_foreign.do": ("It needs {needed}", "需要：{needed}"),
    "material_foreign": ("{material} is not used by this operation", "本工序不用{material}"),
    "material_foreign.do": ("It needs {needed}", "需要：{needed}"),
    "lot_blocked": ("Lot {lot} is {status}", "批次{lot}状态为{status}"),
    "lot_blocked.do": ("Take another lot and tell quality", "请换料并通知质量"),
    "lot_expired": ("Lot {lot} expired on {expiry}", "批次{lot}已于{expiry}过期"),
    "lot_expired.do": ("Take another lot", "请换料"),
    "no_bom": ("This operation uses no material", "本工序不用料"),
    "no_bom.do": ("Scan pause or DONE", "请扫暂停或完工"),
    "operation_early": ("Operation {before} of WO {order} has reported nothing yet", "工单{order}的工序{before}尚未报工"),
    "operation_early.do": ("Do that one first, or scan another order", "请先做该工序，或扫其他工单"),
    "ahead": ("Operation {before} of WO {order} has reported {good} good, fewer than the {pieces} pieces here", "工单{order}的工序{before}已报良品{good}，少于本工序的{pieces}件"),
    "ahead.do": ("Enter the right quantity, or have that operation reported first", "请输入正确数量，或先报前工序"),
    "rework_over": ("{pieces} more reworked pieces than before, and {held} wait as set aside by WO {order}", "本次返工{pieces}件，工单{order}待返工仅{held}件"),
    "rework_over.do": ("Enter the right quantity, or have the pieces set aside (LSCREWORK) first", "请输入正确数量，或先将产品报为返工（LSCREWORK）"),
    "serial_reported": ("Serial {serial} was reported already, by WO {order}", "序列号{serial}已由工单{order}报过"),
    "serial_reported.do": ("Look at the label, and scan the next piece", "请核对标签，扫下一件"),
    "output_over": ("{pieces} good pieces are more than the planned {planned} and its tolerance", "良品{pieces}件超出计划{planned}及其公差"),
    "output_over.do": ("Enter the right quantity (LSQ…)", "请输入正确数量（LSQ…）"),
    "labour_over": ("{spent} min of people's time so far, the standard for these pieces is {standard} min", "人工已用{spent}分钟，标准为{standard}分钟"),
    "labour_over.do": ("Check the quantity, and who is signed on", "请核对数量和在岗人员"),
    "machine_over": ("{spent} min of machine time so far, the standard for these pieces is {standard} min", "机时已用{spent}分钟，标准为{standard}分钟"),
    "machine_over.do": ("Check the quantity", "请核对数量"),
    "lot_drawn": ("Lot {lot}: {quantity} {unit} wanted, {left} {unit} are left by the ERP's figure", "批次{lot}：领用{quantity} {unit}，ERP账面仅剩{left} {unit}"),
    "lot_drawn.do": ("Check label and quantity, or take another lot", "请核对标签和数量，或换批次"),
    "usage_over": ("{quantity} {unit} of {material} altogether, the BOM asks for {standard} {unit} for the whole order", "{material}累计{quantity} {unit}，整张工单的标准用量为{standard} {unit}"),
    "usage_over.do": ("Check the quantity", "请核对数量"),
    "lots_missing": ("No lot of {materials} was scanned for WO {order}", "工单{order}未扫{materials}的批次"),
    "lots_missing.do": ("Scan the lot first, then DONE", "请先扫批次，再扫“完工”"),
    "not_qualified": ("{operator} has no qualification for {center}", "{operator}没有{center}的上岗资格"),
    "not_qualified.do": ("Ask the shift leader", "请找班长"),
    "check_refused": ("{what}. Nothing recorded. {instead}", "{what}，未记录，{instead}"),
    "check_asked": ("{what}. Nothing recorded yet. Scan OK if it is right. Else: {instead}", "{what}，尚未记录。确认无误请扫“确认”，否则{instead}"),
    "check_shown": (". Careful: {what}. OK confirms it. Else: {instead}", "。注意：{what}。扫“确认”即认可，否则{instead}"),
    "check_warned": (". Warning, for review: {what}. {instead}", "。警告，待复核：{what}。{instead}"),
    # what a label names
    "gtin": ("GTIN {gtin}", "GTIN {gtin}"),
    "supplier_part": ("Supplier part {part}", "供应商料号{part}"),
    # what waits
    "wait_lot": ("lot {lot}", "批次{lot}"),
    "wait_extra": ("the extra issue", "补料"),
    "wait_return": ("the return", "退料"),
    "wait_unmount": ("the unmounting", "卸料"),
    "wait_report": ("the report", "报工"),
    "wait_side": ("{material}", "{material}"),
    "wait_switch": ("the switch to WO {order}", "切换到工单{order}"),
    "wait_undo": ("the undo", "撤销"),
    "wait_sign_off": ("the sign-off", "离岗"),
    "wait_defect": ("the {disposition} of {quantity}", "{disposition}{quantity}"),
    "wait_start": ("the start of WO {order}", "工单{order}的开工"),
    "wait_pause": ("the pause", "暂停"),
    "wait_shift": ("the change of shift", "交接班"),
    "wait_check": ("what was asked", "待确认的内容"),
    "wait_setup": ("the end of set-up", "换型结束"),
    # reminders: what happened, and what to do
    "remind_reached": ("{station}: WO {order}/{operation} has made {made} of {planned}, and nobody has reported it", "{station}：工单{order}/{operation}已生产{made}/{planned}，尚未报工"),
    "remind_standard": ("{station}: WO {order}/{operation} is more than {percent} % beyond its standard time without a report", "{station}：工单{order}/{operation}超出标准工时{percent}%以上仍未报工"),
    "remind_shift": ("{station}: WO {order}/{operation} has not been reported since the shift ended", "{station}：工单{order}/{operation}上一班结束后尚未报工"),
    "remind_report_hint": ("Nothing is lost. Scan DONE and OK; PART and OK where more is to come", "数据未丢失。请扫“完工”再“确认”；未做完请扫“部分报工”再“确认”"),
    "remind_no_operator": ("{station}: WO {order}/{operation} is open, and nobody is signed on", "{station}：工单{order}/{operation}进行中，但无人上岗"),
    "remind_no_operator_hint": ("No labour is recorded. Whoever works there scans the badge; else scan PAUSE or DONE", "未记录人工工时。在岗人员请扫工牌；否则请扫暂停或完工"),
    "remind_no_job": ("{station}: the machine counts pieces without a work order", "{station}：设备在计数，但没有工单"),
    "remind_no_job_hint": ("Its pieces are recorded as nobody's and wait for the supervisor. Scan the work order", "产量已记录为无归属，待班长处理。请扫工单"),
    "remind_no_counts": ("{station}: WO {order}/{operation} runs, but nothing was counted for {minutes} min", "{station}：工单{order}/{operation}进行中，但{minutes}分钟无计数"),
    "remind_no_counts_hint": ("Time goes into the order. Scan PAUSE and the reason; if the machine works, check its counter", "工时仍计入工单。请扫暂停及原因；若设备在生产，请检查计数器"),
    "remind_jumps": ("{station}: counter {counter} jumps again and again; what it says is held", "{station}：计数器{counter}反复异常跳变，读数暂未计入"),
    "remind_jumps_hint": ("Have the device, its address and its cable looked at, or its max_rate_per_min if the machine is faster. Report by hand meanwhile", "请检查设备、地址及接线；若机器更快，请核对max_rate_per_min。其间请人工报数"),
    "remind_material": ("{station}: {material} lasts for {pieces} {unit} of WO {order}", "{station}：{material}仅够工单{order}再生产{pieces}{unit}"),
    "remind_material_hint": ("Bring the next lot of {material} and scan it", "请备下一批{material}并扫码"),
    # how old the master data is
    "masterdata_never": ("No orders from the ERP yet", "尚未收到ERP数据"),
    "masterdata_hours": ("Orders as of {hours} h ago", "ERP数据为{hours}小时前"),
    "masterdata_days": ("Orders as of {days} days ago", "ERP数据为{days}天前"),
    # states
    "state_no_operator": ("NO OPERATOR", "无人上岗"),
    "state_ready": ("READY", "待工"),
    "state_setup": ("SET-UP", "换型中"),
    "state_running": ("RUNNING", "生产中"),
    "state_paused": ("PAUSED", "暂停"),
    "state_confirm": ("CONFIRM", "待确认"),
    "none": ("no order open", "无工单"),
    "machine_lost": ("machine silent", "设备无应答"),
    "machine_fault": ("machine fault", "设备故障"),
    "machine_setup": ("machine set-up", "设备调机"),
    "machine_running": ("machine runs", "设备运行"),
    "machine_idle": ("machine stands", "设备停机"),
}  # fmt: skip
