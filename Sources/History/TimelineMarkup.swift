// The page's frame. It follows the browser's wish for light or dark, can be used by keyboard alone,
// and tells a screen reader what the slider chose. Roles differ in height and letter, not only in
// colour.

enum TimelineMarkup {
  static let page = #"""
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta http-equiv="Content-Security-Policy"
      content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
    <title>@TITLE@</title>
    <style>
    :root { color-scheme: light dark; --bg: #fff; --fg: #1b1f24; --soft: #57606a; --line: #d0d7de;
      --panel: #f6f8fa; --lead: #8250df; --vote: #0969da; --stand: #1a7f37; --spare: #9a6700;
      --work: #6e7781; --none: #bf8700; --bad: #cf222e; --mark: #1b1f24; }
    @media (prefers-color-scheme: dark) { :root { --bg: #0d1117; --fg: #e6edf3; --soft: #9198a1;
      --line: #30363d; --panel: #151b23; --lead: #bc8cff; --vote: #58a6ff; --stand: #3fb950;
      --spare: #d29922; --work: #8b949e; --none: #e3b341; --bad: #ff7b72; --mark: #fff; } }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--bg); color: var(--fg);
      font: 15px/1.5 system-ui, sans-serif; }
    header, main { max-width: 78rem; margin: 0 auto; padding: 1rem 1.25rem 0; }
    h1 { font-size: 1.15rem; margin: 0; } h2 { font-size: .95rem; margin: 0 0 .35rem; }
    .soft { color: var(--soft); } code, pre, td { font-family: ui-monospace, monospace; }
    pre { margin: 0; white-space: pre-wrap; font-size: .82rem; }
    svg { display: block; width: 100%; } svg text { fill: var(--fg); font: 12px system-ui; }
    .tools { display: flex; gap: .6rem; align-items: center; margin: .75rem 0; }
    .tools input { flex: 1; accent-color: var(--vote); min-width: 0; }
    button { font: inherit; color: var(--fg); background: var(--panel); border-radius: 6px;
      border: 1px solid var(--line); padding: .15rem .7rem; cursor: pointer; }
    :focus-visible { outline: 2px solid var(--vote); outline-offset: 2px; }
    .now { font-size: 1.02rem; min-height: 3.1rem; }
    .views { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr));
      gap: .75rem; margin: .75rem 0; }
    section { background: var(--panel); border: 1px solid var(--line); border-radius: 8px;
      padding: .7rem .9rem; min-width: 0; }
    section code { display: block; color: var(--soft); font-size: .78rem; margin-top: .5rem; }
    .list { max-height: 24rem; overflow: auto; border: 1px solid var(--line); border-radius: 8px;
      margin-bottom: 1.5rem; }
    table { border-collapse: collapse; width: 100%; font-size: .82rem; }
    th { position: sticky; top: 0; background: var(--panel); text-align: left; }
    th, td { padding: .2rem .6rem; vertical-align: top; border-bottom: 1px solid var(--line); }
    td:first-child { text-align: right; } td button { padding: 0 .35rem; }
    tr[aria-current] td { background: color-mix(in srgb, var(--vote) 18%, transparent); }
    .legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .8rem; }
    .legend i { display: inline-block; width: 1.2rem; margin-right: .35rem; border-radius: 2px; }
    </style>
    </head>
    <body>
    <header><h1>@TITLE@</h1><p class="soft" style="margin:.1rem 0">@PLACE@ · every view names the
    command that prints the same</p></header>
    <main>
    <div class="legend" id="legend" aria-hidden="true"></div>
    <svg id="lanes" role="img" aria-label="Roles of nodes over the events; the list below has the
     same in words"></svg>
    <div class="tools">
      <button id="back" aria-label="the event before">◀</button>
      <input id="slider" type="range" aria-label="event by index">
      <button id="next" aria-label="the event after">▶</button>
    </div>
    <div class="now" id="now" role="status" aria-live="polite"></div>
    <div class="views">
      <section><h2>High availability</h2><pre id="ha"></pre><code id="haCommand"></code></section>
      <section><h2>Nodes</h2><pre id="nodes"></pre><code id="nodesCommand"></code></section>
      <section><h2>API servers for workers</h2><pre id="provider"></pre>
      <code id="providerCommand"></code></section>
    </div>
    <div class="list" tabindex="0" aria-label="events"><table><thead><tr><th scope="col">Index</th>
    <th scope="col">Time</th><th scope="col">Actor</th><th scope="col">Event</th>
    <th scope="col">Effect</th></tr></thead><tbody id="events"></tbody></table></div>
    </main>
    <script type="application/json" id="data">@DATA@</script>
    <script>
    "use strict";
    const data = JSON.parse(document.getElementById("data").textContent);
    const all = data.events, texts = data.texts, names = data.nodes;
    const by = id => document.getElementById(id);
    const kinds = { L: ["leader", "lead", 16], V: ["voter", "vote", 12],
      S: ["standby", "stand", 8], P: ["spare", "spare", 5], N: ["no role yet", "none", 3],
      W: ["worker", "work", 5] };
    for (const [, [word, colour, high]] of Object.entries(kinds)) {
      const item = document.createElement("span"), mark = document.createElement("i");
      mark.style.cssText = `height:${high}px;background:var(--${colour})`;
      item.append(mark, word);
      by("legend").append(item);
    }
    for (const [word, style] of [["suspected", "height:8px;border:1px dashed var(--bad)"],
      ["can lose 1 or more", "height:10px;background:var(--stand)"],
      ["can lose none", "height:4px;background:var(--spare)"],
      ["quorum lost", "height:4px;background:var(--bad)"]]) {
      const item = document.createElement("span"), mark = document.createElement("i");
      mark.style.cssText = style;
      item.append(mark, word);
      by("legend").append(item);
    }
    const space = "http://www.w3.org/2000/svg", left = 110, width = 1100, row = 24, above = 38;
    const svg = by("lanes"), height = above + row * names.length + 8;
    svg.setAttribute("viewBox", `0 0 ${left + width + 10} ${height}`);
    function draw(name, attributes, text) {
      const element = document.createElementNS(space, name);
      for (const key in attributes) element.setAttribute(key, attributes[key]);
      if (text !== undefined) element.textContent = text;
      svg.append(element);
      return element;
    }
    const x = i => left + width * i / Math.max(1, all.length);
    function runs(value, paint) {
      for (let i = 0, j; i < all.length; i = j) {
        const here = value(all[i]);
        for (j = i + 1; j < all.length && value(all[j]) === here;) j++;
        paint(here, x(i), Math.max(1, x(j) - x(i)));
      }
    }
    draw("text", { x: 0, y: 22 }, "can lose");
    runs(e => e[12] ? Math.min(e[7], 3) : -1, (lose, at, wide) => {
      const high = lose > 0 ? 8 + 5 * lose : 4;
      draw("rect", { x: at, y: 26 - high, width: wide, height: high, fill:
        `var(--${lose > 0 ? "stand" : lose === 0 ? "spare" : "bad"})` });
    });
    names.forEach((name, lane) => {
      const middle = above + row * lane + row / 2;
      draw("text", { x: 0, y: middle + 4 }, name.length > 15 ? name.slice(0, 14) + "…" : name);
      draw("line", { x1: left, x2: left + width, y1: middle, y2: middle, stroke: "var(--line)" });
      runs(e => e[6][lane] || ".", (code, at, wide) => {
        const kind = kinds[code.toUpperCase()];
        if (!kind) return;
        const low = code !== code.toUpperCase(), high = kind[2];
        draw("rect", { x: at, y: middle - high / 2, width: wide, height: high, rx: 2,
          fill: low ? "none" : `var(--${kind[1]})`,
          stroke: low ? "var(--bad)" : "none", "stroke-dasharray": low ? "3 2" : "" });
      });
    });
    const mark = draw("line", { y1: 4, y2: height, stroke: "var(--mark)", "stroke-width": 2 });
    const body = by("events"), rows = all.map((e, i) => {
      const line = body.insertRow(), choose = document.createElement("button");
      choose.textContent = e[0];
      choose.addEventListener("click", () => show(i));
      line.insertCell().append(choose);
      for (const text of [e[1], texts[e[2]], texts[e[3]],
        e[4] + (e[5] ? ` (reason: ${e[5]})` : "")]) line.insertCell().textContent = text;
      return line;
    });
    const slider = by("slider");
    let current = -1;
    function show(i) {
      if (!all.length) return;
      i = Math.max(0, Math.min(all.length - 1, i));
      if (current >= 0) rows[current].removeAttribute("aria-current");
      current = i;
      const e = all[i];
      slider.value = i;
      slider.setAttribute("aria-valuetext", `index ${e[0]}, ${texts[e[3]]}`);
      mark.setAttribute("x1", x(i + 0.5));
      mark.setAttribute("x2", x(i + 0.5));
      rows[i].setAttribute("aria-current", "true");
      const box = body.closest(".list");
      box.scrollTop = rows[i].offsetTop - box.clientHeight / 2;
      by("now").textContent = `${e[0]} · ${e[1]} · ${texts[e[2]]} · ${texts[e[3]]}: ${e[4]}`;
      by("ha").textContent = `high-availability: ${e[8] ? "yes" : "no"}\n${texts[e[9]]}`;
      by("haCommand").textContent = `muster status --at ${e[0]}`;
      by("nodes").textContent = texts[e[11]] || "none";
      by("nodesCommand").textContent = `muster nodes -o wide --at ${e[0]}`;
      by("provider").textContent = texts[e[10]] || "none";
      by("providerCommand").textContent = `muster provider --at ${e[0]}`;
      history.replaceState(null, "", "#" + e[0]);
    }
    slider.min = 0;
    slider.max = Math.max(0, all.length - 1);
    slider.addEventListener("input", () => show(+slider.value));
    by("back").addEventListener("click", () => show(current - 1));
    by("next").addEventListener("click", () => show(current + 1));
    svg.addEventListener("click", event => {
      const box = svg.getBoundingClientRect();
      const at = (event.clientX - box.left) * (left + width + 10) / box.width;
      show(Math.floor((at - left) / width * all.length));
    });
    document.addEventListener("keydown", event => {
      if (event.target === slider || event.ctrlKey || event.metaKey || event.altKey) return;
      const step = { ArrowLeft: -1, ArrowRight: 1, j: 1, k: -1 }[event.key];
      if (step) { show(current + step); event.preventDefault(); }
    });
    const asked = all.findIndex(e => "#" + e[0] === location.hash);
    show(asked >= 0 ? asked : all.length - 1);
    </script>
    </body>
    </html>

    """#
}
