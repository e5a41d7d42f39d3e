// Draws every chart from the cells of the table below it, and opens numbers to their journeys.
"use strict";
(() => {
  const CONFIG = { displayModeBar: false, displaylogo: false, showSendToCloud: false, plotlyServerURL: "", responsive: false };
  const LABEL_LENGTH = 30;
  const charts = [];

  // ---- tables ----
  const readTable = (table) => {
    const heads = [...table.tHead.rows[0].cells].map((cell) => ({ key: cell.dataset.key, name: cell.textContent.trim() }));
    const rows = [...table.tBodies[0].rows].map((row) =>
      Object.fromEntries([...row.cells].map((cell, place) => [heads[place].key, { cell, value: valueOf(cell), told: toldIn(cell) }])));
    return { heads, rows };
  };
  const valueOf = (cell) => {
    if (cell.dataset.value === undefined) return cell.textContent.trim();
    return cell.dataset.value === "" ? null : Number(cell.dataset.value);
  };
  const toldIn = (cell) => (cell.querySelector("button.open > span") ?? cell).textContent.trim();

  // ---- words in charts: Plotly reads a little HTML in them, events must not write any ----
  const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const label = (text, length = LABEL_LENGTH) => {
    const letters = [...text];
    return plain(letters.length > length ? letters.slice(0, length - 1).join("") + "…" : text);
  };
  const places = (count) => [...Array(count).keys()];

  // ---- colours and type come from the page ----
  const theme = () => {
    const style = getComputedStyle(document.documentElement);
    const names = ["ground", "panel", "ink", "soft", "line", "go", "stop", "wait", "mark"];
    return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  };
  const mixed = (from, to, share) => {
    const [a, b] = [from, to].map((colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)));
    return `rgb(${a.map((part, place) => Math.round(part + (b[place] - part) * share)).join(",")})`;
  };
  const layout = (colours, extra) => ({
    paper_bgcolor: colours.ground, plot_bgcolor: colours.ground,
    font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: colours.ink },
    margin: { l: 8, r: 16, t: 8, b: 28 }, showlegend: false, dragmode: false, bargap: 0.35,
    hoverlabel: { bgcolor: colours.ink, bordercolor: colours.ink, font: { color: colours.ground, size: 13 }, align: "left" },
    ...extra,
  });
  const axis = (colours, extra) => ({
    fixedrange: true, automargin: true, zeroline: false, gridcolor: colours.line, linecolor: colours.line,
    tickfont: { color: colours.soft, size: 12 }, ...extra,
  });
  const names = (colours, texts, extra) => axis(colours, {
    tickmode: "array", tickvals: places(texts.length), ticktext: texts.map((text) => label(text)), range: [texts.length - 0.5, -0.5],
    showgrid: false, ticks: "", tickfont: { color: colours.ink, size: 13 }, ticklabelstandoff: 8, ...extra,
  });

  // ---- lengths of time: an axis on which 0 and a year both have a place ----
  const onTimeAxis = (seconds) => Math.log10(1 + seconds);
  const TIMES = [["0", 0], ["1 s", 1], ["10 s", 10], ["1 min", 60], ["10 min", 600], ["1 h", 3600], ["6 h", 21600], ["1 d", 86400], ["1 w", 604800], ["30 d", 2592000], ["180 d", 15552000], ["2 y", 63072000]];

  // ---- the charts: each takes a table and returns what Plotly draws ----
  const stack = ({ rows }, colours, width) => {
    const stages = rows.map((row) => row.stage.value);
    const parts = [["continued", colours.go], ["dropped", colours.stop], ["open", colours.wait]];
    const traces = parts.map(([key, colour]) => ({
      type: "bar", orientation: "h", name: key, y: places(rows.length), x: rows.map((row) => row[key].value),
      marker: { color: colour, line: { color: colours.ground, width: 1 } }, hoverinfo: "text",
      hovertext: rows.map((row) => `${plain(row.stage.value)}: ${row[key].told} ${key}<br>of ${row.reached.told} reached`),
    }));
    const most = Math.max(1, ...rows.map((row) => row.reached.value));
    const notes = rows.map((row, place) => ({
      x: row.reached.value, y: place, xanchor: "left", xshift: 6, showarrow: false, font: { size: 12, color: colours.soft },
      text: row.rate.value === null ? "" : width > 560 ? `${row.rate.told} drop off` : row.rate.told,
    }));
    return [traces, layout(colours, {
      barmode: "stack", height: 44 * rows.length + 76, annotations: notes, showlegend: true,
      legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", traceorder: "normal", itemclick: false, itemdoubleclick: false },
      margin: { l: 8, r: 16, t: 40, b: 28 },
      yaxis: names(colours, stages), xaxis: axis(colours, { range: [0, most * 1.22], tickformat: ",d", nticks: 6, ...(most < 6 ? { dtick: 1 } : {}) }),
    })];
  };

  const heat = ({ heads, rows }, colours, width) => {
    const stages = heads.filter((head) => head.key.startsWith("stage"));
    const cells = rows.map((row) => stages.map((head) => row[head.key]));
    const most = Math.max(0.01, ...cells.flat().map((cell) => cell.value ?? 0));
    const isWide = width > 560;
    const notes = cells.flatMap((line, y) => line.flatMap((cell, x) => cell.value === null ? [] : [{
      x, y, showarrow: false, text: isWide ? cell.told : String(Math.round(100 * cell.value)),
      font: { size: 12, color: colours.ink },
    }]));
    return [[{
      type: "heatmap", x: places(stages.length), y: places(rows.length), z: cells.map((line) => line.map((cell) => cell.value)),
      zmin: 0, zmax: most, xgap: 3, ygap: 3, showscale: false, hoverongaps: false, hoverinfo: "text",
      colorscale: [[0, colours.panel], [1, mixed(colours.panel, colours.stop, 0.6)]],
      text: cells.map((line, y) => line.map((cell, x) => cell.value === null ? "" :
        `${plain(rows[y].channel.value)}, ${plain(stages[x].name)}<br>${cell.told} drop off`)),
    }], layout(colours, {
      height: 30 * rows.length + 70, annotations: notes, margin: { l: 8, r: 8, t: 8, b: 8 },
      yaxis: names(colours, rows.map((row) => row.channel.value), isWide ? {} : { ticktext: rows.map((row) => label(row.channel.value, 14)) }),
      xaxis: names(colours, stages.map((head) => head.name), {
        side: "top", range: [-0.5, stages.length - 0.5], ticklabelstandoff: 2, tickangle: isWide ? 0 : -60,
        ticktext: stages.map((head) => label(head.name, isWide ? 18 : 14)),
      }),
    })];
  };

  const range = ({ rows }, colours) => {
    const y = places(rows.length);
    const line = (from, to, width, colour) => ({
      type: "scatter", mode: "lines", hoverinfo: "skip", line: { color: colour, width },
      x: rows.flatMap((row) => [onTimeAxis(row[from].value), onTimeAxis(row[to].value), null]), y: y.flatMap((place) => [place, place, null]),
    });
    const longest = onTimeAxis(Math.max(1, ...rows.map((row) => row.p95.value)));
    const shortest = Math.max(0, onTimeAxis(Math.min(...rows.map((row) => row.p50.value))) - 1);
    const ticks = TIMES.filter(([, seconds]) => shortest <= onTimeAxis(seconds) && onTimeAxis(seconds) <= longest * 1.1);
    return [[
      line("p50", "p95", 2, colours.wait), line("p50", "p75", 7, mixed(colours.ground, colours.go, 0.45)),
      {
        type: "scatter", mode: "markers+text", x: rows.map((row) => onTimeAxis(row.p50.value)), y,
        marker: { color: colours.go, size: 13 }, text: rows.map((row) => row.p50.told), textposition: "top center",
        textfont: { size: 12, color: colours.ink }, cliponaxis: false, hoverinfo: "text",
        hovertext: rows.map((row) => `${plain(row.stage.value)}<br>50 %: ${row.p50.told}<br>75 %: ${row.p75.told}<br>90 %: ${row.p90.told}<br>95 %: ${row.p95.told}`),
      },
    ], layout(colours, {
      height: 52 * rows.length + 60, hovermode: "closest", margin: { l: 8, r: 24, t: 16, b: 28 },
      yaxis: names(colours, rows.map((row) => row.stage.value), { range: [rows.length - 0.4, -0.75] }),
      xaxis: axis(colours, { range: [shortest - 0.15, longest + 0.2], tickmode: "array", tickvals: ticks.map(([, seconds]) => onTimeAxis(seconds)), ticktext: ticks.map(([text]) => text) }),
    })];
  };

  // A return to an earlier stage would tie the picture in knots: all of them end in one place of their own.
  const BACK = "back to an earlier stage";
  const sankey = ({ rows }, colours, width) => {
    const stages = [...new Set(rows.map((row) => row.from.value))];
    const isBack = (row) => stages.includes(row.to.value) && stages.indexOf(row.to.value) < stages.indexOf(row.from.value);
    const ends = (row) => isBack(row) ? BACK : row.to.value;
    const nodes = [...new Set([...stages, ...rows.map(ends)])];
    const colour = (name) => ({ "(exit)": colours.stop, "(open)": colours.wait, "(start)": colours.soft, [BACK]: colours.soft })[name] ?? colours.go;
    return [[{
      type: "sankey", orientation: "h", arrangement: "fixed",
      node: {
        label: nodes.map((name) => label(name, width > 560 ? 24 : 14)), color: nodes.map(colour), pad: 24, thickness: 12,
        line: { width: 0 }, hoverinfo: "none",
      },
      link: {
        source: rows.map((row) => nodes.indexOf(row.from.value)), target: rows.map((row) => nodes.indexOf(ends(row))),
        value: rows.map((row) => row.transitions.value), color: rows.map((row) => `${colour(ends(row))}66`),
        customdata: rows.map((row) => `${plain(row.from.value)} → ${plain(row.to.value)}<br>${row.transitions.told} times, ${row.share.told}`),
        hovertemplate: "%{customdata}<extra></extra>",
      },
      textfont: { size: 13, color: colours.ink, shadow: "none" },
    }], layout(colours, { height: Math.max(180, 52 * nodes.length), margin: { l: 8, r: 8, t: 16, b: 16 } })];
  };

  const trend = ({ rows }, colours, width, isPart) => {
    const banded = rows.filter((row) => row.high.value !== null);
    const edge = (key, fill) => ({
      type: "scatter", mode: "lines", x: banded.map((row) => row.day.told), y: banded.map((row) => row[key].value),
      line: { width: 0 }, hoverinfo: "skip", ...(fill ? { fill: "tonexty", fillcolor: `${colours.wait}55` } : {}),
    });
    const alerts = rows.filter((row) => row.alert.value !== "" && row.alert.value !== "–");
    const ground = isPart ? colours.panel : colours.ground;
    // between two days without a rate there is no line to see
    const hasRate = (n) => rows[n] !== undefined && rows[n].rate.value !== null;
    const isAlone = (n) => hasRate(n) && !hasRate(n - 1) && !hasRate(n + 1);
    // a share is never below 0 or above 1, also where it is the same on all days
    const shares = rows.flatMap((row) => [row.low, row.high, row.rate].map((share) => share.value)).filter((share) => share !== null);
    const room = Math.max(0.05, 0.06 * (Math.max(...shares) - Math.min(...shares)));
    const range = [Math.max(0, Math.min(...shares) - room), Math.min(1, Math.max(...shares) + room)];
    return [[
      edge("low", false), edge("high", true),
      {
        type: "scatter", mode: "lines", x: banded.map((row) => row.day.told), y: banded.map((row) => row.usual.value),
        line: { color: colours.soft, width: 1, dash: "dot" }, hoverinfo: "skip",
      },
      {
        type: "scatter", mode: "lines+markers", connectgaps: false, x: rows.map((row) => row.day.told), y: rows.map((row) => row.rate.value),
        line: { color: colours.go, width: 2 }, marker: { color: colours.go, size: rows.map((_, n) => (isAlone(n) ? 5 : 0)), opacity: 1 }, hoverinfo: "text",
        hovertext: rows.map((row) => `${row.day.told}: ${row.rate.told} of ${row.reached.told} did not go on<br>usual ${row.usual.told}, limits ${row.low.told} to ${row.high.told}`),
      },
      {
        type: "scatter", mode: "markers", x: alerts.map((row) => row.day.told), y: alerts.map((row) => row.rate.value),
        marker: { color: colours.stop, size: 7 }, hoverinfo: "skip",
      },
    ], layout(colours, {
      height: 210, hovermode: "closest", margin: { l: 8, r: 8, t: 8, b: 28 }, paper_bgcolor: ground, plot_bgcolor: ground,
      xaxis: axis(colours, { type: "date", showgrid: false, nticks: 5, tickformat: "%e %b" }),
      yaxis: axis(colours, { tickformat: ".0%", nticks: 5, range }),
    })];
  };

  const bars = ({ rows }, colours) => [[{
    type: "bar", orientation: "h", x: rows.map((row) => row.journeys.value), y: places(rows.length),
    marker: { color: colours.stop }, text: rows.map((row) => row.journeys.told), textposition: "outside", cliponaxis: false,
    textfont: { size: 12, color: colours.soft }, hoverinfo: "text",
    hovertext: rows.map((row) => `${plain(row.exit.value)}<br>${row.journeys.told} journeys, ${row.share.told}`),
  }], layout(colours, {
    height: 32 * rows.length + 24, margin: { l: 8, r: 48, t: 4, b: 8 },
    yaxis: names(colours, rows.map((row) => row.exit.value), { ticktext: rows.map((row) => label(row.exit.value, 24)) }),
    xaxis: axis(colours, { visible: false, range: [0, Math.max(1, ...rows.map((row) => row.journeys.value)) * 1.05] }),
  })];

  const DRAW = { stack, heat, trend, range, sankey, bars };

  // ---- drawing ----
  const draw = ({ figure, place, table }, width = place.clientWidth) => {
    if (figure.hidden || !width) return;
    const [traces, shape] = DRAW[figure.dataset.chart](table, theme(), width, Boolean(figure.closest(".alert")));
    Plotly.react(place, traces, { ...shape, width }, CONFIG);
  };
  const drawAll = () => charts.forEach((chart) => draw(chart));

  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    charts.push({ figure, place: figure.querySelector(".chart"), table: readTable(figure.querySelector("table")) });
  }

  // ---- switches ----
  for (const input of document.querySelectorAll(".switch input")) {
    const views = [...input.closest("section").querySelectorAll("figure[data-view]")];
    const show = () => {
      for (const view of views) view.hidden = view.dataset.view !== input.value;
      charts.filter((chart) => views.includes(chart.figure)).forEach((chart) => draw(chart));
    };
    if (input.checked) show();
    input.addEventListener("change", show);
  }

  // ---- a number opened ----
  const dialog = document.getElementById("opened");
  const describe = (list, pairs) => list.replaceChildren(...pairs.map(([name, told]) => {
    const pair = document.createElement("div");
    for (const [tag, text] of [["dt", name], ["dd", told]]) pair.appendChild(document.createElement(tag)).textContent = text;
    return pair;
  }));
  const open = (button) => {
    const { stage, channel, kind, reached, continued, dropped, open: still, rate, interval, command, sample } = button.dataset;
    const number = (text) => Number(text).toLocaleString("en-US");
    dialog.querySelector("h2").textContent = `${stage}, ${channel === "all" ? "all channels" : channel}`;
    describe(dialog.querySelector(".figures"), [
      ["reached", number(reached)], ["continued", number(continued)], ["dropped", number(dropped)], ["open", number(still)],
      ["drop-off", rate], ["95 % interval", interval], ["funnel", kind],
    ]);
    const template = sample && document.getElementById(sample);
    document.getElementById("opened-sample").replaceChildren(...(template ? [template.content.cloneNode(true)] : []));
    dialog.querySelector("code").textContent = command;
    dialog.showModal();
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.open");
    if (button) open(button);
    if (event.target === dialog) dialog.close();
  });

  drawAll();
  for (const { figure, place, table } of charts.filter((chart) => chart.figure.dataset.chart === "heat")) {
    place.on("plotly_click", ({ points: [{ x, y }] }) => {
      const key = table.heads.filter((head) => head.key.startsWith("stage"))[x].key;
      const button = table.rows[y][key].cell.querySelector("button.open");
      if (button) open(button);
    });
    figure.classList.add("opens");
  }

  // ---- light, dark, paper, width ----
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  let drawn = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== drawn) { drawn = innerWidth; drawAll(); }
  });
  const onPaper = ({ figure }) => (figure.closest(".multiples") ? 320 : figure.closest(".alert") ? 630 : 680);
  const closed = () => [...document.querySelectorAll("details:not([open])")];
  let opened = [];
  addEventListener("beforeprint", () => {
    document.documentElement.classList.add("paper");
    opened = closed();
    opened.forEach((details) => { details.open = true; });
    for (const view of document.querySelectorAll("figure[data-view]")) { view.dataset.washidden = view.hidden; view.hidden = false; }
    charts.forEach((chart) => draw(chart, onPaper(chart)));
  });
  addEventListener("afterprint", () => {
    document.documentElement.classList.remove("paper");
    opened.forEach((details) => { details.open = false; });
    for (const view of document.querySelectorAll("figure[data-view]")) view.hidden = view.dataset.washidden === "true";
    drawAll();
  });
})();
