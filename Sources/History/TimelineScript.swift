// What the page does. Everything is kept by index: events in a list without gaps, everything that
// changes with them (a node's role, what may be lost) as runs, each from its index to the next.
// Texts are only ever set as text, so that no name and no reason can be markup.

enum TimelineScript {
  static let text = data + picture + views + control + live

  /// The story, and how it grows.
  private static let data = #"""

    "use strict";
    const by = id => document.getElementById(id);
    const about = JSON.parse(by("about").textContent);
    const story = { low: 0, events: [], nodes: [], ha: [], servers: [] };
    const nodesByID = new Map();
    const last = () => story.low + story.events.length - 1;

    // A run is [index, ...values]; a new one begins only where a value is different.
    function extend(runs, run) {
      const before = runs.at(-1);
      if (!before || run.some((value, k) => k > 0 && value !== before[k])) runs.push(run);
    }
    function runAt(runs, index) {
      let low = 0, high = runs.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (runs[middle][0] <= index) low = middle + 1; else high = middle;
      }
      return runs[low - 1];
    }

    // Takes a record in; what is known already is passed over, after a gap all begins anew.
    function take(record) {
      if (story.events.length && record.i <= last()) return false;
      if (story.events.length && record.i !== last() + 1) {
        Object.assign(story, { events: [], nodes: [], ha: [], servers: [] });
        nodesByID.clear();
      }
      if (!story.events.length) story.low = record.i;
      for (const [id, name, code, address] of record.n ?? []) {
        if (!nodesByID.has(id)) {
          nodesByID.set(id, { id, name, runs: [], serves: false });
          story.nodes.push(nodesByID.get(id));
        }
        const node = nodesByID.get(id);
        node.serves ||= !"W-.".includes(code);
        extend(node.runs, [record.i, code, address]);
      }
      if (record.h) extend(story.ha, [record.i, ...record.h]);
      if (record.p !== undefined) extend(story.servers, [record.i, record.p]);
      story.events.push(record);
      if (story.events.length > 2 * about.limit) {
        story.events.splice(0, about.limit);
        story.low += about.limit;
      }
      return true;
    }
    const stamp = ms => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
    const local = ms => new Date(ms).toLocaleString(undefined, { timeZoneName: "short" });
    // What tells nodes of one name apart: as many digits of the id as all others differ in.
    const digitsOf = node => {
      const others = story.nodes.filter(n => n.name === node.name && n !== node).map(n => n.id);
      if (!others.length) return "";
      let count = 4;
      while (others.some(id => id.slice(0, count) === node.id.slice(0, count))) count++;
      return " " + node.id.slice(0, count);
    };
    const quoted = text => "'" + text.replaceAll("'", "'\\''") + "'";
    const effect = e => e.e + (e.r ? ` (reason: ${e.r})` : "");

    """#

  /// The lanes. An event has a slot of its own width; the view is redrawn when the width changes.
  private static let picture = #"""

    const kinds = { L: ["leader", 16], V: ["voter", 12], S: ["standby", 12], P: ["spare", 9],
      N: ["no role", 9], W: ["worker", 4], suspect: ["suspected", 12], "-": ["left", 0] };
    const namespace = "http://www.w3.org/2000/svg", svg = by("lanes"), most = 40;
    const scale = { left: 0, width: 0, height: 0 };
    function draw(parent, name, attributes, text) {
      const element = document.createElementNS(namespace, name);
      for (const key in attributes) element.setAttribute(key, attributes[key]);
      if (text !== undefined) element.textContent = text;
      parent.append(element);
      return element;
    }
    const x = index => scale.left + scale.width * (index - story.low) / story.events.length;

    // The runs as stretches of the picture: those that look alike are one, and of those that share
    // a pixel the worst is drawn.
    function stretches(runs, look, badness) {
      const found = [];
      runs.forEach((run, k) => {
        const from = Math.max(run[0], story.low);
        const to = k + 1 < runs.length ? runs[k + 1][0] : last() + 1;
        if (to <= from) return;
        const before = found.at(-1), end = x(to);
        if (before && look(before.run) === look(run)) {
          before.end = end;
        } else if (before && end - before.at < 1) {
          before.end = end;
          if (badness(run) > badness(before.run)) before.run = run;
        } else {
          found.push({ at: x(from), end, run });
        }
      });
      return found.map(s => ({ run: s.run, at: s.at, wide: Math.max(1, s.end - s.at) }));
    }
    const kindOf = code => code === code.toUpperCase() ? code : "suspect";
    function bar(parent, code, at, wide, middle) {
      if (code === "-") {
        draw(parent, "line", { class: "gone", x1: at, x2: at + wide, y1: middle, y2: middle });
        return;
      }
      const kind = kindOf(code);
      if (!kinds[kind]) return;
      const [word, high] = kinds[kind];
      const inset = wide > 6 ? 0.5 : 0;
      draw(parent, "rect", { class: kind, x: at + inset, width: wide - 2 * inset,
        y: middle - high / 2, height: high, rx: wide > 8 ? 2 : 0 });
      if (kind === "W" || kind === "P" && high < 10 && wide < 40) return;
      const text = wide > word.length * 7 + 8 ? word : wide > 13 && kind !== "suspect" ? kind : "";
      if (text) draw(parent, "text", { class: "in " + ("LV".includes(kind) ? `on${kind}` : "halo"),
        x: at + wide / 2, y: middle + 3.7 }, text);
    }
    function band(parent, [, lose, held], at, wide, bottom) {
      const high = !held ? 8 : lose > 0 ? 6 + 5 * Math.min(lose, 3) : 5;
      draw(parent, "rect", { class: !held ? "lost" : lose > 0 ? "safe" : "thin",
        x: at, width: wide, y: bottom - high, height: high });
      if (wide > 14) draw(parent, "text", { class: "in " + (held && lose > 0 ? "onSafe" : "halo"),
        x: at + wide / 2, y: held && lose > 0 ? bottom - high / 2 + 3.7 : bottom - high - 3 },
        !held ? wide > 70 ? "quorum lost" : "✕" : lose);
    }
    const marks = { away: ["▼", "maintenance begins"], back: ["▲", "maintenance ends"],
      force: ["✕", "removed by force"] };
    const mark = (parent, kind, at, middle) => draw(parent, "text",
      { class: "in halo", x: at, y: middle + 3.7 }, marks[kind][0]);
    function lanes() {
      const serving = story.nodes.filter(n => n.serves).slice(0, most);
      const workers = story.nodes.filter(n => !n.serves).slice(0, most - serving.length);
      return story.nodes.filter(n => serving.includes(n) || workers.includes(n));
    }
    function paint() {
      const total = svg.parentElement.clientWidth, nodes = lanes();
      if (!total || !story.events.length) return;
      const row = nodes.length > 12 ? 18 : 24, top = 34;
      scale.left = Math.min(120, Math.max(76, total * .12));
      scale.width = total - scale.left - 2;
      const hidden = story.nodes.length - nodes.length;
      scale.height = top + row * (nodes.length + (hidden ? 1 : 0));
      svg.replaceChildren();
      svg.setAttribute("viewBox", `0 0 ${total} ${scale.height + 34}`);
      const label = (text, y, tail = "") => {
        const room = Math.floor((scale.left - 10) / 7) - tail.length, short = text.length > room;
        draw(svg, "text", { x: 0, y }, (short ? text.slice(0, room - 1) + "…" : text) + tail)
          .append(draw(svg, "title", {}, text + tail));
      };
      axis();
      draw(svg, "text", { class: "tick", x: 0, y: scale.height + 18 }, "index");
      draw(svg, "text", { class: "tick", x: 0, y: scale.height + 31 }, "UTC");
      label("can lose", 24);
      for (const s of stretches(story.ha, r => r[2] ? r[1] : -1, r => r[2] ? -r[1] : 1)) {
        band(svg, s.run, s.at, s.wide, 28);
      }
      nodes.forEach((node, lane) => {
        const middle = top + row * lane + row / 2;
        // Where the record of a node is closed its lane ends.
        const [end, code] = node.runs.at(-1);
        const x2 = Math.max(scale.left, x(code === "." ? end : last() + 1));
        draw(svg, "line", { class: "rule", x1: scale.left, x2, y1: middle, y2: middle });
        label(node.name, middle + 4, digitsOf(node));
        const look = run => kindOf(run[1]), badness = run => look(run) === "suspect" ? 1 : 0;
        for (const s of stretches(node.runs, look, badness)) {
          bar(svg, s.run[1], s.at, s.wide, middle);
        }
      });
      for (const e of story.events.filter(e => e.m)) {
        const lane = nodes.indexOf(nodesByID.get(e.m[0]));
        if (lane >= 0) mark(svg, e.m[1], x(e.i + .5), top + row * lane + row / 2);
      }
      draw(svg, "line", { id: "cursor", class: "cursor", y1: 2, y2: scale.height + 4 });
      if (hidden) label(`+ ${hidden} more, see muster nodes`, scale.height - row / 2 + 4);
      fitSlider();
    }
    function axis() {
      const count = story.events.length, most = Math.max(1, Math.floor(scale.width / 84));
      const day = e => stamp(e.t).slice(0, 10), isOneDay = day(story.events[0]) === day(
        story.events.at(-1));
      let step = 1;
      for (let k = 0; count / step > most; k++) step = [2, 5, 10][k % 3] * 10 ** Math.floor(k / 3);
      for (let i = Math.ceil(story.low / step) * step; i <= last(); i += step) {
        const at = x(i + .5), time = stamp(story.events[i - story.low].t);
        draw(svg, "line", { class: "rule", x1: at, x2: at, y1: 30, y2: scale.height + 6 });
        const anchor = at > scale.left + scale.width - 40 ? "end"
          : at < scale.left + 30 ? "start" : "middle";
        const tick = (text, y) => draw(svg, "text", { class: "tick", x: at, y,
          "text-anchor": anchor }, text);
        tick(i, scale.height + 18);
        tick(isOneDay ? time.slice(11, 19) : time.slice(5, 16).replace("T", " "),
          scale.height + 31);
      }
    }
    function legend() {
      const entry = (word, paintMark) => {
        const item = document.createElement("li");
        const mark = draw(item, "svg", { viewBox: "0 0 26 18", "aria-hidden": "true" });
        paintMark(mark);
        item.append(word);
        by("legend").append(item);
      };
      for (const code of ["L", "V", "S", "P", "N", "W", "-"]) {
        entry(kinds[code][0], mark => bar(mark, code, 1, code === "-" ? 24 : 13, 9));
      }
      entry("suspected", mark => bar(mark, "v", 1, 24, 9));
      for (const kind in marks) {
        entry(marks[kind][1], paper => mark(paper, kind, 13, 9));
      }
      entry("voters that may be lost", mark => band(mark, [0, 1, true], 1, 24, 17));
      entry("none may be lost", mark => band(mark, [0, 0, true], 1, 13, 15));
      entry("quorum lost", mark => band(mark, [0, 0, false], 1, 13, 15));
    }

    """#
}
