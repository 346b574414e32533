"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const dayOf = text => new Date(text + "T00:00:00Z");
  const HALF_DAY = 43200000;
  const readDay = d3.utcFormat("%-d %b %Y");
  const percent = d3.format("+,.2~%");
  const plain = d3.format(",.4~r");

  /** Axes in a fresh drawing as wide as its place. */
  function frame(place, height, margin, days) {
    const width = Math.max(260, Math.floor(place.clientWidth));
    const figure = place.closest("figure");
    const svg = d3.create("svg").attr("viewBox", `0 0 ${width} ${height}`).attr("width", width).attr("height", height)
      .attr("role", "img").attr("aria-labelledby", `${figure.id}-title ${figure.id}-caption`);
    const inner = { left: margin.left, right: width - margin.right, top: margin.top, bottom: height - margin.bottom };
    const ends = d3.extent(days);
    const x = d3.scaleUtc([new Date(+ends[0] - HALF_DAY), new Date(+ends[1] + HALF_DAY)], [inner.left, inner.right]);
    place.replaceChildren(svg.node());
    return { svg, x, inner, width, ends };
  }

  function xAxis(f) {
    const span = d3.utcDay.count(f.ends[0], f.ends[1]) + 1;
    const room = Math.max(2, Math.floor((f.inner.right - f.inner.left) / 62));
    const ticks = span <= room ? d3.utcDay.range(f.ends[0], d3.utcDay.offset(f.ends[1], 1)) : f.x.ticks(room).filter(t => +t === +d3.utcDay.floor(t));
    f.svg.append("g").attr("class", "axis x").attr("transform", `translate(0,${f.inner.bottom})`)
      .call(d3.axisBottom(f.x).tickValues(ticks).tickSize(4).tickPadding(5).tickFormat(d3.utcFormat(span > 270 ? "%b %Y" : "%-d %b")));
    f.svg.append("text").attr("class", "title").attr("x", f.inner.right).attr("y", f.inner.bottom + 36).attr("text-anchor", "end").text("day, " + figures.zone);
  }

  function yAxis(f, y, title, format, ticks) {
    const axis = d3.axisLeft(y).tickSize(f.inner.left - f.inner.right).tickPadding(6).tickFormat(format);
    if (ticks) axis.tickValues(ticks); else axis.ticks(5);
    f.svg.append("g").attr("class", "axis y").attr("transform", `translate(${f.inner.left},0)`).call(axis);
    f.svg.append("text").attr("class", "title").attr("x", 0).attr("y", 12).text(title);
  }

  function clipped(f, figure) {
    const id = figure.id + "-clip";
    f.svg.append("clipPath").attr("id", id).append("rect").attr("x", f.inner.left).attr("y", f.inner.top)
      .attr("width", f.inner.right - f.inner.left).attr("height", f.inner.bottom - f.inner.top);
    return f.svg.append("g").attr("clip-path", `url(#${id})`);
  }

  /** The nearest day's figures in words, where a pointer or finger is. */
  function readout(f, place, days, text) {
    const line = f.svg.append("line").attr("class", "cursor").attr("y1", f.inner.top).attr("y2", f.inner.bottom).attr("visibility", "hidden");
    const out = place.parentNode.querySelector(".readout");
    f.svg.on("pointermove pointerdown", event => {
      const at = d3.bisectCenter(days, f.x.invert(d3.pointer(event)[0]));
      line.attr("visibility", "visible").attr("x1", f.x(days[at])).attr("x2", f.x(days[at]));
      out.textContent = readDay(days[at]) + ": " + text(at);
    }).on("pointerleave", () => { line.attr("visibility", "hidden"); out.textContent = ""; });
  }

  /**
   * What the axis spans: from the day on on which the widest interval is at most four times as wide as at the end. The first
   * days' would leave no room for the rest; they are cut off.
   */
  function span(panels, outerLow, outerHigh, withZero) {
    const width = (p, i) => p[outerLow][i] === null || p[outerHigh][i] === null ? null : p[outerHigh][i] - p[outerLow][i];
    const last = d3.max(panels, p => d3.greatest(d3.range(p.days.length).filter(i => width(p, i) !== null)) === undefined ? 0
      : width(p, d3.max(d3.range(p.days.length).filter(i => width(p, i) !== null))));
    const shown = withZero ? [0] : [];
    for (const p of panels) for (let i = 0; i < p.days.length; i++) {
      const w = width(p, i);
      if (w !== null && w <= 4 * last) shown.push(p[outerLow][i], p[outerHigh][i]);
      if (p.value[i] !== null && (!last || w !== null && w <= 4 * last)) shown.push(p.value[i]);
    }
    let [low, high] = d3.extent(shown);
    if (low === undefined) [low, high] = [0, 1];
    if (low === high) [low, high] = [low - 0.5 * (Math.abs(low) || 1), high + 0.5 * (Math.abs(high) || 1)];
    return [low - 0.04 * (high - low), high + 0.04 * (high - low)];
  }

  function series(place, panel, panels, how) {
    const days = panel.days.map(dayOf);
    const f = frame(place, 250, { top: 24, right: how.end ? 66 : 14, bottom: 44, left: how.left }, days);
    const figure = place.closest("figure");
    const y = d3.scaleLinear(span(panels, how.outerLow, how.outerHigh, how.zero), [f.inner.bottom, f.inner.top]);
    yAxis(f, y, how.title, how.format(y));
    xAxis(f);
    const marks = clipped(f, figure);
    const area = (low, high) => d3.area().defined(i => panel[low][i] !== null && panel[high][i] !== null)
      .x(i => f.x(days[i])).y0(i => y(panel[low][i])).y1(i => y(panel[high][i]));
    const line = key => d3.line().defined(i => panel[key][i] !== null).x(i => f.x(days[i])).y(i => y(panel[key][i]));
    const all = d3.range(days.length);
    if (how.always) {
      marks.append("path").attr("class", "always").attr("d", area("alwaysLow", "alwaysHigh")(all));
      marks.append("path").attr("class", "edge").attr("d", line("alwaysLow")(all));
      marks.append("path").attr("class", "edge").attr("d", line("alwaysHigh")(all));
    }
    marks.append("path").attr("class", "fixed").attr("d", area("low", "high")(all));
    if (how.zero) f.svg.append("line").attr("class", "zero").attr("x1", f.inner.left).attr("x2", f.inner.right).attr("y1", y(0)).attr("y2", y(0));
    const top = clipped(f, { id: figure.id + "-top" });
    top.append("path").attr("class", "estimate").attr("d", line("value")(all));
    const radius = Math.max(1, Math.min(2.6, (f.inner.right - f.inner.left) / days.length / 3));
    top.selectAll("circle").data(all.filter(i => panel.value[i] !== null)).join("circle").attr("class", "dot mark")
      .attr("cx", i => f.x(days[i])).attr("cy", i => y(panel.value[i])).attr("r", radius);
    const last = panel.value.findLastIndex(v => v !== null);
    if (how.end && last >= 0) {
      const at = f.inner.right + 6;
      const hold = v => Math.max(f.inner.top, Math.min(f.inner.bottom, y(v)));
      const whisker = (low, high, name) => {
        if (panel[low][last] !== null && panel[high][last] !== null)
          f.svg.append("line").attr("class", name).attr("x1", at).attr("x2", at).attr("y1", hold(panel[low][last])).attr("y2", hold(panel[high][last]));
      };
      if (how.always) whisker("alwaysLow", "alwaysHigh", "whisker");
      whisker("low", "high", "whisker inner");
      f.svg.append("text").attr("class", "end").attr("x", at + 6).attr("y", Math.max(f.inner.top + 6, hold(panel.value[last]) + 4)).text(panel.end);
    }
    const interval = (i, low, high, shape) => panel[low][i] === null ? (panel[shape] && panel[shape][i]) || "none"
      : how.read(panel[low][i]) + (panel[high][i] === null ? " or more" : " to " + how.read(panel[high][i]));
    readout(f, place, days, i => (panel.value[i] === null ? "none" : how.read(panel.value[i])) + "; one look " + interval(i, "low", "high", "shape")
      + (how.always ? "; any day " + interval(i, "alwaysLow", "alwaysHigh", "alwaysShape") : ""));
  }

  const draw = {
    lift(place, index) {
      const panel = figures.lift[index];
      series(place, panel, figures.lift.filter(p => p.metric === panel.metric),
        { always: true, zero: true, end: true, left: 50, outerLow: "alwaysLow", outerHigh: "alwaysHigh", title: "lift over control, %", format: y => y.tickFormat(5, "+%"), read: percent });
    },

    mean(place, index) {
      const panel = figures.mean[index];
      series(place, panel, figures.mean.filter(p => p.metric === panel.metric),
        { always: false, zero: false, end: true, left: 56, outerLow: "low", outerHigh: "high", title: panel.title, format: y => y.tickFormat(5, panel.share ? "%" : undefined), read: panel.share ? d3.format(",.3~%") : plain });
    },

    users(place, index) {
      const panel = figures.users[index];
      const days = panel.days.map(dayOf);
      const f = frame(place, 200, { top: 24, right: 14, bottom: 44, left: 50 }, figures.users.flatMap(p => p.days).map(dayOf));
      const most = d3.max(figures.users, p => Math.max(d3.max(p.newUsers), d3.max(p.active, a => d3.max(a.users))));
      const y = d3.scaleLinear([0, Math.max(1, most)], [f.inner.bottom, f.inner.top]).nice(4);
      yAxis(f, y, "users per day", d3.format(",~r"), y.ticks(4).filter(Number.isInteger));
      xAxis(f);
      const step = f.x(HALF_DAY * 2) - f.x(0);
      f.svg.append("g").selectAll("rect").data(days).join("rect").attr("class", "bar mark").attr("x", d => f.x(d) - step * 0.36)
        .attr("width", Math.max(0.6, step * 0.72)).attr("y", (d, i) => y(panel.newUsers[i])).attr("height", (d, i) => f.inner.bottom - y(panel.newUsers[i]));
      for (const a of panel.active)
        f.svg.append("path").attr("class", "activity").attr("d", d3.line().defined((d, i) => a.users[i] !== null).x(d => f.x(d)).y((d, i) => y(a.users[i]))(days));
      readout(f, place, days, i => plain(panel.newUsers[i]) + " new; active: " + panel.active.map(a => `${a.metric} ${a.users[i]}`).join(", "));
    },

    srm(place) {
      const panel = figures.srm;
      const days = panel.days.map(dayOf);
      const f = frame(place, 230, { top: 24, right: 14, bottom: 44, left: 56 }, days);
      const FLOOR = 1e-12;
      const least = d3.min(panel.p.filter(p => p !== null));
      const lowest = Math.max(FLOOR, Math.min(1e-4, least || FLOOR));
      const y = d3.scaleLog([lowest, 1], [f.inner.bottom, f.inner.top]);
      const powers = d3.range(0, Math.ceil(-Math.log10(lowest)) + 1).map(e => Math.pow(10, -e)).filter(p => p >= lowest * 0.999);
      const ticks = powers.length > 7 ? powers.filter((p, i) => i % 3 === 0) : powers;
      yAxis(f, y, "p of the sample ratio, log scale", p => p >= 0.0009 ? d3.format("~r")(p) : "1e−" + Math.round(-Math.log10(p)), ticks);
      xAxis(f);
      f.svg.append("line").attr("class", "limit").attr("x1", f.inner.left).attr("x2", f.inner.right).attr("y1", y(0.001)).attr("y2", y(0.001));
      f.svg.append("text").attr("class", "limit-text").attr("x", f.inner.left + 4).attr("y", y(0.001) + 14).text("below 0.001: mismatch");
      const all = d3.range(days.length);
      const at = i => y(Math.max(lowest, panel.p[i]));
      f.svg.append("path").attr("class", "estimate").attr("d", d3.line().defined(i => panel.p[i] !== null).x(i => f.x(days[i])).y(at)(all));
      f.svg.append("g").selectAll("circle").data(all.filter(i => panel.p[i] !== null)).join("circle").attr("class", "dot mark")
        .attr("cx", i => f.x(days[i])).attr("cy", at).attr("r", Math.max(1, Math.min(2.6, (f.inner.right - f.inner.left) / days.length / 3)));
      readout(f, place, days, i => panel.p[i] === null ? "not computable" : "p = " + d3.format(".3~g")(panel.p[i]));
    },

    findings(place) {
      const codes = figures.findings;
      const days = codes.flatMap(c => c.points.map(p => dayOf(p.day)));
      const ROW = 44;
      const f = frame(place, 8 + ROW * codes.length + 44, { top: 8, right: 20, bottom: 44, left: 16 }, days);
      xAxis(f);
      const most = d3.max(codes, c => d3.max(c.points, p => p.open + p.resolved));
      const size = d3.scaleLinear([0, Math.max(2, most)], [30, 280]);
      const shapes = { ERROR: d3.symbolSquare, WARNING: d3.symbolTriangle, INFO: d3.symbolCircle };
      codes.forEach((c, row) => {
        const y = f.inner.top + ROW * row + 30;
        f.svg.append("line").attr("class", "row").attr("x1", f.inner.left).attr("x2", f.inner.right).attr("y1", y).attr("y2", y);
        const label = f.svg.append("text").attr("class", "code").attr("x", 0).attr("y", y - 16);
        label.append("tspan").text(c.code);
        label.append("tspan").attr("class", "count").attr("dx", 8).text(`${d3.sum(c.points, p => p.open).toLocaleString("en")} open, ${d3.sum(c.points, p => p.resolved).toLocaleString("en")} resolved`);
        f.svg.append("g").selectAll("path").data(c.points).join("path").attr("class", p => `${c.severity} mark${p.open ? "" : " hollow"}`)
          .attr("transform", p => `translate(${f.x(dayOf(p.day))},${y})`)
          .attr("d", p => d3.symbol(shapes[c.severity] || d3.symbolCircle, size(p.open + p.resolved))());
      });
    },
  };

  const places = document.querySelectorAll(".plot");
  const widths = new WeakMap();
  const observer = new ResizeObserver(entries => {
    for (const { target } of entries) {
      if (widths.get(target) === target.clientWidth) continue;
      widths.set(target, target.clientWidth);
      draw[target.dataset.plot](target, Number(target.dataset.index));
    }
  });
  places.forEach(place => {
    widths.set(place, place.clientWidth);
    draw[place.dataset.plot](place, Number(place.dataset.index));
    observer.observe(place);
  });
})();
