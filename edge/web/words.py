"""What the pages say by themselves. The sentences of the stations come from edge.station.texts."""

from edge.station.texts import Text

# Beside what the collector gives; put into the page once.
LABELS = {
    "title": Text("Station", "工位"),
    "stations": Text("Stations", "工位列表"),
    "review": Text("Review", "班长处理"),
    "missing": Text("There is no such station here", "没有这个工位"),
    "work_order": Text("WO", "工单"),
    "good": Text("GOOD", "良品"),
    "scrap": Text("SCRAP", "报废"),
    "rework": Text("REWORK", "返工"),
    "next": Text("NEXT", "下一步"),
    "noted": Text("LAST", "最近记录"),
    "field": Text("Scan or type here", "在此扫码或输入"),
    "stale": Text("DISPLAY STALE: only the scanner's beep counts", "画面已停止更新：以扫描枪提示音为准"),
    "unrecorded": Text("✕ NOT RECORDED", "✕ 未记录！"),
    "button_ok": Text("OK", "确认"),
    "button_done": Text("DONE", "完工"),
    "button_part": Text("PART", "报工"),
    "button_go": Text("GO", "继续"),
    "button_undo": Text("UNDO", "撤销"),
    "button_quantity": Text("QTY", "数量"),
    "button_scrap": Text("SCRAP", "报废"),
    "button_pause": Text("PAUSE", "暂停"),
    "button_close": Text("Close", "关闭"),
    "no_reasons": Text("No reasons from the ERP yet: scan the card", "尚未收到原因代码：请扫卡片"),
}

# What the page's script says; {…} is filled in there.
SCRIPT = {
    "saved": Text("saved", "已保存"),
    "sending": Text("sending {count}", "发送中 {count}"),
    "unsaved": Text("NOT SAVED", "未保存"),
    "apart": Text("no connection", "无连接"),
    "nobody": Text("nobody signed on", "无人上岗"),
    "retrying": Text(
        "{text}: no connection, trying again. Not yet recorded", "{text}：无连接，正在重试，尚未记录"
    ),
    "unknown": Text(
        "{text}: no connection. Not known whether recorded. Look at the last entries, scan again if missing",
        "{text}：无连接，不确定是否已记录。请核对最近记录，缺少时重扫",
    ),
    "restarted": Text(
        "{text}: lineside was restarted. Not known whether recorded. Look at the last entries",
        "{text}：系统已重启，不确定是否已记录，请核对最近记录",
    ),
    "unsent": Text(". NOT RECORDED: {text}", "。未记录：{text}"),
    "full": Text("{text}: too much waits. NOT RECORDED. Scan again", "{text}：待发送过多，未记录，请重扫"),
    "refused": Text("{text}: not recorded. {detail}", "{text}：未记录。{detail}"),
    "lost": Text("{device} does not answer", "{device} 无应答"),
    "silent": Text("no news since {time}", "自 {time} 起无更新"),
}

# Names of facts in the list of the last ones, without prefix and version.
EVENTS = {
    "work.started": Text("Started", "开工"),
    "work.paused": Text("Paused", "暂停"),
    "work.resumed": Text("Resumed", "继续"),
    "work.reported": Text("Reported", "报工"),
    "work.completed": Text("Completed", "完工"),
    "work.corrected": Text("Undone", "撤销"),
    "material.consumed": Text("Lot used", "用料"),
    "lot.mounted": Text("Lot mounted", "上料"),
    "lot.unmounted": Text("Lot unmounted", "下料"),
    "tool.mounted": Text("Tool mounted", "上模"),
    "tool.unmounted": Text("Tool unmounted", "下模"),
    "meter.replaced": Text("Meter replaced", "换表"),
    "operator.signed_on": Text("Signed on", "上岗"),
    "operator.signed_off": Text("Signed off", "离岗"),
    "output.identified": Text("Output lot", "产出批次"),
    "output.reclassified": Text("Reclassified", "改判"),
    "count.unattributed": Text("Count without order", "无工单计数"),
    "time.unassigned": Text("Time without order", "无工单工时"),
    "break.taken": Text("Break", "休息"),
    "shift.changed": Text("Shift changed", "班次变更"),
    "operator.doubted": Text("Badge asked for", "待刷卡确认"),
    "review.opened": Text("Looked at again", "复核"),
    "review.settled": Text("Settled", "已处理"),
    "clock.stepped": Text("Clock set", "时钟调整"),
}
