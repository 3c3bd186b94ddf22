"""What the review answers, in English and Chinese. A refusal says what happened, that nothing was recorded,
and what to do.
"""

from edge.station.texts import Text


class Unsettled(Exception):
    """A settlement that may not be: nothing of it is recorded. `key` names why."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.text = word(key, **values)


def word(key: str, **values: object) -> Text:
    """The sentence named `key`; a value that is a Text is put in by language."""
    en, zh = _WORDS[key]
    in_en = {name: one.en if isinstance(one, Text) else one for name, one in values.items()}
    in_zh = {name: one.zh if isinstance(one, Text) else one for name, one in values.items()}
    return Text(en.format(**in_en), zh.format(**in_zh))


def named(prefix: str, codes: str) -> Text:
    """Codes of the facts, listed with commas, as words; one that is not known here stands for itself."""
    parts = [_WORDS.get(f"{prefix}_{code}", (code, code)) for code in codes.split(", ")]
    return Text(", ".join(en for en, _ in parts), "、".join(zh for _, zh in parts))


_WORDS: dict[str, tuple[str, str]] = {
    # done
    "accept": ("Accepted by {person}", "{person}已确认"),
    "reverse": ("Reversed by {person}", "{person}已冲销"),
    "reassign": ("Reassigned by {person}", "{person}已改派"),
    "split": ("Split by {person}", "{person}已拆分"),
    "make_up": ("Made up by {person}: WO {order}, {time}", "{person}已补录：工单{order}，{time}"),
    "retried": ("{count} to be offered again, by {person}", "{person}：{count}条将重新发送"),
    "discarded": ("{count} discarded by {person}", "{person}：{count}条已作废"),
    "flagged": (". Warning: {what}; recorded all the same", "。警告：{what}，仍已记录"),
    "reopened": (". WO {order} is open again at its station: it goes on with a scan of its order", "。工单{order}在工位重新打开，扫工单继续"),
    "moved": (". Posting period of {date} is locked: posted on {posted}", "。{date}所在期间已关账，记账日期为{posted}"),
    "unchecked": (". People were never received from the ERP: rights were not checked", "。尚未收到ERP人员数据，未核对权限"),
    "corrected": ("Corrected by {person}", "{person}已更正"),
    "over_plan": (". {over} good pieces over the planned {planned}", "。良品超出计划{planned}共{over}件"),
    # refused
    "not_open": ("{id} does not wait here: it is settled, or never waited. Nothing recorded. Look at the list again", "{id}不在待处理列表：已处理或无需处理，未记录，请刷新列表"),
    "whole": ("The entry {id} was joined by more since it was shown. Nothing recorded. Look at the list again", "{id}显示后又有新增，未记录，请刷新列表"),
    "person_missing": ("Who decides is missing. Nothing recorded. Scan or type your badge", "缺少决定人，未记录，请扫或输入本人工牌"),
    "person_unknown": ("Badge {person} is unknown. Nothing recorded. Scan the badge of a person the ERP knows", "工牌{person}未登记，未记录，请扫已登记的工牌"),
    "not_allowed": ("{person} may not do this: it takes {roles}. Nothing recorded. Ask one of them", "{person}无此权限，需要：{roles}，未记录，请找有权限的人"),
    "four_eyes": ("{person} needs a second person: {roles}. Nothing recorded. Have them scan their badge too", "{person}的操作需第二人复核：{roles}，未记录，请复核人扫工牌"),
    "four_eyes_self": ("{person} cannot approve their own entry. Nothing recorded. Another person must", "{person}不能复核自己的记录，未记录，请由他人复核"),
    "clock": ("The clock cannot be right now, so there is no posting date. Nothing recorded. Set the clock first", "系统时钟不可信，无法确定记账日期，未记录，请先校准时钟"),
    "note_missing": ("The reason is missing. Nothing recorded. Say why", "缺少原因说明，未记录，请填写原因"),
    "not_so": ("{kind} cannot be settled by {how}. Nothing recorded. Possible: {possible}", "{kind}不能{how}，未记录。可用：{possible}"),
    "not_forward": ("The counter went back: that is no quantity. Nothing recorded. Reverse it, or reassign what was made or used", "计数器倒退，不是数量，未记录。请冲销，或改派实际数量"),
    "figure_needed": ("What this movement would have counted is not recorded. Nothing recorded. Reassign it with the quantity, or reverse it", "该异常计数没有保存应计数量，未记录。请输入数量改派，或冲销"),
    "good_then": ("WO {order} is completed, and its good pieces hold this scrap. Nothing recorded. Correct the completion, then reverse this", "工单{order}已完工，其合格数已含这些废品，未记录。请先更正完工报工，再冲销此条"),
    "not_metered": ("WO {order} takes no {material} by a meter. Nothing recorded. Name another order; or accept it as nobody's, and make the material up", "工单{order}没有按计量表消耗的物料{material}，未记录。请改派到其他工单；或确认为无归属后补录用料"),
    "quantity_needed": ("Nobody knows how many. Nothing recorded. Give the quantity", "数量不明，未记录，请输入数量"),
    "quantity_sum": ("The parts are {given}, {waits} waits. Nothing recorded. Split all of it; a part without an order belongs to none", "各部分合计{given}，待处理{waits}，未记录。请全部拆分；不属于任何工单的部分不填工单"),
    "quantity_above_nought": ("A quantity must be above 0. Nothing recorded. Correct it", "数量必须大于0，未记录，请更正"),
    "one_by_one": ("Some of these entries follow from another one. Nothing recorded. Settle them one by one", "部分条目由另一条引起，未记录，请逐条处理"),
    "own_order": ("A report is corrected on its own order. Nothing recorded. Reverse it, then make up the other order's", "报工只能在原工单上更正，未记录，请先冲销，再补录到其他工单"),
    "reworked": ("Pieces of this report were reworked meanwhile. Nothing recorded. Have the rework undone first", "该报工的部分产品已返工，未记录，请先撤销返工"),
    "side_open": ("{material} is made beside WO {order}, which is open here. Nothing recorded. Complete the order first", "{material}为工单{order}的联产品，该工单在此生产中，未记录，请先完工"),
    "order_needed": ("The order is missing. Nothing recorded. Give order and operation", "缺少工单，未记录，请输入工单和工序"),
    "order_unknown": ("WO {order} is unknown. Nothing recorded. Check the number, or wait for the ERP", "工单{order}未登记，未记录，请核对，或等待ERP下发"),
    "operation_unknown": ("WO {order} has no operation {operation}: it has {known}. Nothing recorded. Correct it", "工单{order}没有工序{operation}，现有：{known}，未记录，请更正"),
    "reason_unknown": ("Reason {reason} is unknown for {kind}. Nothing recorded. Allowed: {allowed}", "{kind}原因{reason}不存在，未记录。可用：{allowed}"),
    "lot_needed": ("The lot is missing. Nothing recorded. Give the lot that was used", "缺少批次，未记录，请输入所用批次"),
    "station_unknown": ("There is no station {station}. Nothing recorded. Stations here: {known}", "没有工位{station}，未记录。现有工位：{known}"),
    "time_wrong": ("{time} is no time. Nothing recorded. Write 2026-11-23T09:30:00+08:00", "{time}不是有效时间，未记录，请写成2026-11-23T09:30:00+08:00"),
    "time_ahead": ("{time} is still to come. Nothing recorded. Give the time at which it happened", "{time}尚未到，未记录，请输入实际发生时间"),
    "time_long_ago": ("{time} is more than {days} days ago. Nothing recorded. Tell finance, or correct the time", "{time}超过{days}天，未记录，请联系财务或更正时间"),
    "nothing_made": ("The entry holds no quantity and no time. Nothing recorded. Give what was made, used or worked", "没有数量也没有工时，未记录，请输入产量、用料或工时"),
    "fact_unknown": ("{id} is no fact of the present journal. Nothing recorded. Take the whole id from `lineside events tail --json` or `lineside outbox show`", "当前日志中没有{id}，未记录，请从`lineside events tail --json`或`lineside outbox show`核对完整编号"),
    "not_cost": ("{id} carries no cost: there is nothing to correct. Nothing recorded. Give a report, a completion or a consumption", "{id}不涉及成本，无需更正，未记录，请指定报工、完工或用料"),
    "corrected_before": ("{id} was corrected already, by {by}. Nothing recorded. Correct what replaced it", "{id}已由{by}更正，未记录，请更正其替代记录"),
    "corrected_apart": ("Something that {id} caused was corrected by itself, by {by}. Nothing recorded. Make up the difference instead", "{id}引起的记录已由{by}单独更正，未记录，请改用补录"),
    "part_of": ("{id} follows from {of}. Nothing recorded. Correct that one", "{id}由{of}产生，未记录，请更正后者"),
    "reverse_only": ("{id} can only be taken back. Nothing recorded. Reverse it, then record what is right", "{id}只能冲销，未记录，请先冲销，再录入正确的数据"),
    "rest_settled": ("What the counter saw beyond {id} was settled. Nothing recorded. Correct its figures instead", "{id}之外的计数已处理，未记录，请改为更正数量"),
    "figures_or_reverse": ("Either the right figures, or that it did not occur. Nothing recorded. Give one of the two", "请给出正确数量，或说明未发生，二者选一，未记录"),
    "worker_unknown": ("Nobody is known by {person}. Nothing recorded. Give the number of a person the ERP knows", "没有工号{person}的人员，未记录，请输入ERP已登记的工号"),
    "over_a_day": ("{who}: {s} s are more than a day. Nothing recorded. Enter each shift by itself", "{who}：{s}秒超过一天，未记录，请按班次分别补录"),
    "too_long": ("{who}: {s} s have not passed since {time}. Nothing recorded. Give the time at which the work began, and how long it took", "{who}：自{time}起不足{s}秒，未记录，请输入实际开始时间和时长"),
    "check_blocked": ("{what}. Nothing recorded. Correct the entry", "{what}，未记录，请更正"),
    "check_confirm": ("{what}. Nothing recorded yet. If it is right, enter it again and confirm it", "{what}，尚未记录。如确认无误，请确认后重新提交"),
    "material_unknown": ("Material {material} is unknown. Nothing recorded. Check the number", "物料{material}未登记，未记录，请核对"),
    "unit_unknown": ("{material} is not counted in {unit}. Nothing recorded. Give another unit", "物料{material}没有单位{unit}，未记录，请用其他单位"),
    "no_stations": ("No station is configured. Nothing recorded. Configure one", "未配置工位，未记录，请先配置"),
    # what a station's screen says when its total has changed under it
    "disturbed_setup": ("A settlement changed the set-up strokes. The figure that was shown is not recorded. Scan GO again", "处理结果改变了调试件数，刚才的数量未记录，请重新扫开始"),
    "disturbed": ("A settlement changed the total. Nothing of the proposal was recorded. Scan DONE or PART again", "处理结果改变了合计，刚才的建议未记录，请重新扫完工或报工"),
    # what waits
    "shows_count": ("{quantity} pieces of counter {counter} without an order ({raw_from} → {raw_to})", "计数器{counter}有{quantity}件无工单（{raw_from}→{raw_to}）"),
    "shows_measured": ("{quantity} {unit} of {subject} by meter {counter} without an order ({raw_from} → {raw_to})", "计量表{counter}测得{subject} {quantity} {unit}无工单（{raw_from}→{raw_to}）"),
    "shows_jumps": ("Counter {counter} jumped {jumps} times, {raw_from} → {raw_to}: held", "计数器{counter}异常{jumps}次：{raw_from}→{raw_to}，暂未计入"),
    "shows_held": ("Counter {counter} jumped {raw_from} → {raw_to}: held", "计数器{counter}异常：{raw_from}→{raw_to}，暂未计入"),
    "shows_lot": ("{quantity} {unit} of {subject} used without a lot, WO {job}", "{subject}用料{quantity} {unit}缺批次，工单{job}"),
    "shows_check": ("{subject}, WO {job}: recorded all the same: {category}", "{subject}，工单{job}：仍已记录：{category}"),
    "shows_check_jobless": ("{subject}: recorded all the same: {category}", "{subject}：仍已记录：{category}"),
    "shows_provisional": ("WO {job} began, the ERP has not delivered it", "工单{job}已开工，ERP尚未下发"),
    "shows_time": ("{minutes} min of {subject} without an order: {category}", "{subject}有{minutes}分钟无工单：{category}"),
    "undated": ("Facts {first} to {last} have no posting date: set the clock right", "第{first}至{last}条记录没有记账日期，请校准时钟"),
    # what a fact went against (docs/checks.md)
    "check_order_elsewhere": ("order of another line", "其他产线的工单"),
    "check_order_status": ("order held or closed", "工单已冻结或关闭"),
    "check_sequence": ("operation before not reported", "前道工序未报工"),
    "check_ahead": ("more than the operation before", "超过前道工序数量"),
    "check_material": ("material not on the BOM", "物料不在BOM中"),
    "check_lot_unknown": ("lot unknown", "批次未登记"),
    "check_lot_status": ("lot blocked", "批次已冻结"),
    "check_lot_expired": ("lot expired", "批次已过期"),
    "check_lot_consumed": ("more than is left of the lot", "超过批次余量"),
    "check_missing_lot": ("a lot is missing", "缺少批次"),
    "check_usage": ("more material than the BOM asks for", "用料超过BOM用量"),
    "check_output": ("more pieces than planned", "产量超过计划"),
    "check_time": ("more time than the standard", "工时超过标准"),
    "check_qualification": ("no qualification for this work center", "无该工作中心资质"),
    "check_rework": ("more rework than was set aside", "返工超过待返工数量"),
    "check_serial": ("serial number reported before", "序列号已报过"),
    # why time has no order
    "time_waiting": ("no order was open", "无在产工单"),
    "time_paused": ("the order was paused", "工单暂停"),
    "time_break": ("a paid break", "带薪休息"),
    "time_unconfirmed": ("badge not scanned again", "未再扫工牌确认"),
    "time_undone": ("the start or report was undone", "开工或报工已撤销"),
    # why a counter's movement is held
    "doubt_implausible": ("faster than the machine can", "超过设备最大速度"),
    "doubt_backwards": ("it went back", "计数倒退"),
    # kinds and ways, as sentences name them
    "kind_check": ("A check that was overridden", "被放行的校验"),
    "kind_count": ("A count without an order", "无工单计数"),
    "kind_held": ("A held counter movement", "异常计数"),
    "kind_lot": ("Material without a lot", "缺批次用料"),
    "kind_provisional": ("An order the ERP has not delivered", "临时工单"),
    "kind_time": ("Time without an order", "无工单工时"),
}  # fmt: skip
