// The page's other half: words for the chosen event, hands on it, and a living agent's news.

extension TimelineScript {
  /// What is known of the chosen event.
  static let views = #"""

    let current = 0, matches = null, shown = null;
    function command(id, words, tail = "") {
      const place = by(id), text = words + about.option + tail;
      if (place.dataset.text === text) return;
      place.dataset.text = text;
      const code = document.createElement("code"), copy = document.createElement("button");
      code.textContent = text;
      copy.textContent = "copy";
      copy.setAttribute("aria-label", `copy: ${text}`);
      copy.addEventListener("click", () => {
        const done = () => { copy.textContent = "copied"; say("copied"); };
        const mark = () => getSelection().selectAllChildren(code);
        if (navigator.clipboard) navigator.clipboard.writeText(text).then(done, mark);
        else { mark(); if (document.execCommand("copy")) done(); }
      });
      place.replaceChildren(code, copy);
    }
    let saying;
    function say(text) {
      clearTimeout(saying);
      saying = setTimeout(() => { by("said").textContent = text; }, 300);
    }
    function nodeRows() {
      const there = story.nodes.map(node => ({ node, run: runAt(node.runs, current) }))
        .filter(({ run }) => run && run[1] !== ".");
      const rows = there.slice(0, 60).map(({ node, run: [since, code, address] }) => {
        const line = document.createElement("tr"), name = document.createElement("th");
        name.scope = "row";
        name.textContent = node.name + digitsOf(node);
        name.title = node.id;
        line.append(name);
        const role = kinds[code.toUpperCase()][0];
        line.insertCell().textContent = kindOf(code) === "suspect" ? `${role}, suspected` : role;
        line.insertCell().textContent = address;
        if (since === current && current > story.low) {
          line.dataset.changed = "";
          name.title += ", changed by this event";
        }
        return line;
      });
      by("nodes").replaceChildren(...rows);
      const more = there.length - rows.length;
      by("moreNodes").textContent = more > 0 ? `and ${more} more, which the command lists` : "";
    }
    function eventRow(index) {
      const e = story.events[index - story.low], line = document.createElement("tr");
      line.dataset.index = index;
      const choose = document.createElement("button");
      choose.textContent = index;
      choose.tabIndex = -1;
      line.insertCell().append(choose);
      const time = document.createElement("time");
      time.dateTime = time.textContent = stamp(e.t);
      time.title = local(e.t);
      line.insertCell().append(time);
      for (const text of [e.a, e.y, effect(e)]) line.insertCell().textContent = text;
      return line;
    }
    // All events if they are few, else those around the chosen one: the filter looks at all.
    function list() {
      const count = matches ? matches.length : story.events.length;
      const at = k => matches ? matches[k] : story.low + k;
      let place = matches ? matches.findIndex(i => i >= current) : current - story.low;
      if (place < 0) place = count - 1;
      const few = count <= 400, from = few ? 0 : Math.max(0, Math.min(place - 100, count - 200));
      const to = few ? count : Math.min(count, from + 200);
      const margin = few ? 0 : 20;
      const fits = shown && shown.count === count && shown.matches === matches
        && shown.low === story.low
        && (few || (place >= shown.from + margin || shown.from === 0)
          && (place < shown.to - margin || shown.to === count)
          && place >= shown.from && place < shown.to);
      if (!fits) {
        const rows = [];
        for (let k = from; k < to; k++) rows.push(eventRow(at(k)));
        by("events").replaceChildren(...rows);
        shown = { count, matches, from, to, low: story.low,
          rows: new Map(rows.map(r => [+r.dataset.index, r])) };
        by("table").setAttribute("aria-rowcount", count + 1);
        by("count").textContent = (matches ? `${count} of ${story.events.length}` : `${count}`)
          + (few ? "" : `, of which those around the chosen one are listed`);
      }
      by("events").querySelector("[aria-current]")?.removeAttribute("aria-current");
      const row = shown.rows.get(current), box = by("list");
      if (!row) return;
      row.setAttribute("aria-current", "true");
      const top = row.offsetTop - (by("table").tHead.offsetHeight || 0);
      if (top < box.scrollTop) box.scrollTop = top;
      const bottom = row.offsetTop + row.offsetHeight - box.clientHeight;
      if (bottom > box.scrollTop) box.scrollTop = bottom;
    }
    function show(index) {
      if (!story.events.length) return;
      current = Math.max(story.low, Math.min(last(), index));
      const e = story.events[current - story.low], high = runAt(story.ha, current);
      const lose = !high ? "" : !high[2] ? "quorum lost" : `can lose ${high[1]}`;
      by("index").textContent = `${current} of ${last()}`;
      by("type").textContent = e.y;
      by("time").textContent = by("time").dateTime = stamp(e.t);
      by("time").title = by("local").textContent = local(e.t);
      by("effect").textContent = (effect(e) || "nothing else changed") + ` · by ${e.a}`;
      by("ha").textContent = high?.[3] ?? "";
      by("provider").textContent = runAt(story.servers, current)?.[1] || "none";
      nodeRows();
      list();
      command("showCommand", `muster show ${current}`);
      command("haCommand", `muster status --at ${current}`);
      command("nodesCommand", `muster nodes -o wide --at ${current}`);
      command("providerCommand", `muster provider --at ${current}`);
      command("lanesCommand", `muster events --graph ${story.low}..${last()}`);
      const slider = by("slider");
      slider.min = story.low;
      slider.max = last();
      slider.value = current;
      const words = `event ${current} of ${last()}, ${stamp(e.t)}, ${e.y}, ${effect(e)}, ${lose}`;
      slider.setAttribute("aria-valuetext", words);
      say(words);
      fitSlider();
      if (location.hash !== "#" + current) history.replaceState(null, "", "#" + current);
    }
    // The middle of the thumb stands where the event's slot has its middle.
    function fitSlider() {
      if (!story.events.length) return;
      const slot = scale.width / story.events.length, thumb = 16;
      const slider = by("slider");
      slider.style.left = `${scale.left + slot / 2 - thumb / 2}px`;
      slider.style.width = `${scale.width - slot + thumb}px`;
      const cursor = by("cursor");
      cursor?.setAttribute("x1", x(current + .5));
      cursor?.setAttribute("x2", x(current + .5));
    }

    """#

  /// Hands on it: pointer and keyboard.
  static let control = #"""

    let wanted = null;
    function soon(index) {
      if (wanted === null) requestAnimationFrame(() => { show(wanted); wanted = null; });
      wanted = index;
    }
    function step(by) {
      if (!matches) return show(current + by);
      const next = by > 0 ? matches.filter(i => i > current) : matches.filter(i => i < current);
      if (next.length) show(next.at(by > 0 ? Math.min(by, next.length) - 1
        : Math.max(by, -next.length)));
    }
    function filter(text) {
      const part = text.trim().toLowerCase();
      const fits = e => `${e.i} ${stamp(e.t)} ${e.a} ${e.y} ${effect(e)}`.toLowerCase()
        .includes(part);
      matches = part ? story.events.filter(fits).map(e => e.i) : null;
      shown = null;
      list();
      command("eventsCommand", `muster events ${story.low}..${last()}`,
        part ? ` | grep -iF -- ${quoted(part)}` : "");
    }
    by("back").addEventListener("click", () => step(-1));
    by("next").addEventListener("click", () => step(1));
    by("slider").addEventListener("input", event => soon(+event.target.value));
    by("filter").addEventListener("input", event => filter(event.target.value));
    by("events").addEventListener("click", event => {
      const row = event.target.closest("tr");
      if (row && getSelection().isCollapsed) show(+row.dataset.index);
    });
    const scrub = event => {
      const box = svg.getBoundingClientRect();
      const at = (event.clientX - box.left - scale.left) / scale.width * story.events.length;
      soon(story.low + Math.floor(at));
    };
    svg.addEventListener("pointerdown", event => {
      svg.setPointerCapture(event.pointerId);
      scrub(event);
    });
    svg.addEventListener("pointermove", event => { if (event.buttons & 1) scrub(event); });
    document.addEventListener("keydown", event => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const target = event.target, box = by("filter");
      if (event.key === "Escape" && (target === box || matches)) {
        box.value = "";
        filter("");
        by("slider").focus({ preventScroll: true });
        return;
      }
      if (target === box) return;
      if (event.key === "/") { box.focus(); event.preventDefault(); return; }
      let moved = { ArrowLeft: -1, ArrowRight: 1, k: -1, j: 1 }[event.key];
      const inList = by("list").contains(target);
      if (target === by("slider") || inList) {
        const down = inList ? 1 : -1;
        moved ??= { ArrowDown: down, ArrowUp: -down, PageDown: 10 * down, PageUp: -10 * down,
          Home: -Infinity, End: Infinity }[event.key];
      }
      if (moved === undefined) return;
      event.preventDefault();
      if (Number.isFinite(moved)) step(moved);
      else if (matches?.length) show(moved < 0 ? matches[0] : matches.at(-1));
      else show(moved < 0 ? story.low : last());
    });
    addEventListener("hashchange", () => {
      const index = +location.hash.slice(1);
      if (index && index !== current) show(index);
    });
    new ResizeObserver(() => paint()).observe(svg.parentElement);

    function retell() {
      by("place").textContent = `events ${story.low} to ${last()} of ${about.source}`;
      const omitted = by("omitted"), before = story.low - about.first;
      const after = about.live ? 0 : about.head - last();
      omitted.hidden = before <= 0 && after <= 0;
      const parts = [];
      const many = count => count.toLocaleString("en");
      const told = (count, word, from, to) => {
        const events = count === 1 ? `event (${from})` : `events (${from}..${to})`;
        if (count > 0) parts.push(`${many(count)} ${word} ${events}`);
      };
      told(before, "earlier", about.first, story.low - 1);
      told(after, "later", last() + 1, about.head);
      const verb = before + Math.max(after, 0) === 1 ? "is" : "are";
      const why = story.low > about.from ? `holds at most ${many(about.limit)}`
        : `was made of ${about.from}..${about.to}`;
      omitted.textContent = parts.join(" and ") + ` ${verb} not on this page, which ${why}. `
        + "To see them: muster timeline --range FROM..TO file.html, or muster events FROM..TO";
    }
    for (const record of JSON.parse(by("records").textContent)) take(record);
    legend();
    retell();
    paint();
    const asked = +location.hash.slice(1);
    show(asked >= story.low && asked <= last() ? asked : last());
    filter("");

    """#

  /// What goes on happening: the page follows by index, so that nothing is missed or doubled, and
  /// says how far what it shows can be relied on.
  static let live = #"""

    const now = () => performance.timeOrigin + performance.now();
    if (about.live) {
      let heard = now(), pulse = null, source = null, refused = false, painting = false;
      let head = last();
      const grown = () => {
        const wasAtHead = current >= head;
        painting = false;
        head = last();
        retell();
        paint();
        filter(by("filter").value);
        show(wasAtHead ? head : current);
      };
      const tell = () => {
        const place = by("live"), clock = ms => stamp(ms).slice(11);
        let state = "lost", words = "connecting";
        if (pulse && pulse.cluster !== about.cluster) {
          words = `${pulse.name} is in another cluster now; reload to see its history`;
          source?.close();
        } else if (refused) {
          words = "no contact: the agent is starting, or this session has ended (after 12 hours, "
            + "or with the agent). Open a new link of muster ui in another tab: this one goes on";
        } else if (now() - heard > 7000) {
          words = `no contact since ${clock(heard)}; what happened since then is not shown`;
        } else if (pulse && pulse.leader === null) {
          state = "behind";
          words = `behind: ${pulse.name} has heard from no leader since `
            + `${clock(Math.round((heard - pulse.silent) / 2000) * 2000)}; others may know more`;
        } else if (pulse && pulse.applied > last()) {
          state = "behind";
          words = `behind by ${pulse.applied - last()} events`;
        } else if (pulse) {
          state = "live";
          words = `live from ${pulse.name}, leader ${pulse.leader}`;
        }
        place.hidden = false;
        place.dataset.state = state;
        if (place.textContent !== words) place.textContent = words;
      };
      const connect = () => {
        refused = false;
        source = new EventSource(`${about.live}?after=${last()}`);
        source.addEventListener("message", event => {
          heard = now();
          if (take(JSON.parse(event.data)) && !painting) {
            painting = true;
            requestAnimationFrame(grown);
          }
          tell();
        });
        source.addEventListener("pulse", event => {
          heard = now();
          pulse = JSON.parse(event.data);
          tell();
        });
        source.addEventListener("error", () => {
          if (source.readyState !== EventSource.CLOSED) return;
          refused = true;
          tell();
          setTimeout(connect, 3000);
        });
      };
      connect();
      setInterval(tell, 1000);
      tell();
    }

    """#
}
