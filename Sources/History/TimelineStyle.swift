// How the page looks: light or dark as the browser wishes, on paper, on a telephone. Roles differ
// by height, pattern and word before they differ by colour; every text has a contrast of at least
// 4.5 to what is behind it, every mark one of 3.

enum TimelineStyle {
  static let text = #"""
    :root { color-scheme: light dark; --bg: #fff; --fg: #1b1f24; --soft: #57606a; --line: #d5dbe1;
      --panel: #f6f8fa; --accent: #0a58a8; --lead: #3b2a78; --onlead: #fff; --vote: #2a6fb8;
      --onvote: #fff; --stand: #00756b; --spare: #8a5a00; --work: #6b7681; --bad: #b3261e;
      --safe: #00756b; --onsafe: #fff; --warn: #8a5a00; --pick: #dcebfb; }
    @media screen and (prefers-color-scheme: dark) { :root { --bg: #0e1116; --fg: #e6eaef;
      --soft: #9aa4af; --line: #2c333b; --panel: #161b22; --accent: #74b3ff; --lead: #d9c8ff;
      --onlead: #191033; --vote: #6aaeff; --onvote: #071b33; --stand: #3cc4b4; --spare: #e0a83a;
      --work: #8b95a1; --bad: #ff8a80; --safe: #3cc4b4; --onsafe: #02211d; --warn: #e0a83a;
      --pick: #15304f; } }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--bg); color: var(--fg);
      font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
    header, main, footer { max-width: 84rem; margin: 0 auto; padding: 0 1.25rem; }
    header { padding-top: 1rem; } footer { padding-bottom: 1.5rem; font-size: .85rem; }
    h1 { font-size: 1.2rem; margin: 0; } h1 span { font-weight: 400; }
    h2 { font-size: .95rem; margin: 0 0 .4rem; } p { margin: 0; }
    .soft { color: var(--soft); }
    code, pre, kbd, .list td, #nodes td { font-family: ui-monospace, "SF Mono", Menlo,
      "DejaVu Sans Mono", monospace; }
    pre { margin: 0; white-space: pre-wrap; font-size: .82rem; overflow-wrap: anywhere; }
    kbd { font-size: .78rem; border: 1px solid var(--line); border-radius: 4px; padding: 0 .3em; }
    .note { border-left: 3px solid var(--warn); padding: .1rem .7rem; margin: .5rem 0; }
    #live::before { content: "●"; margin-right: .4em; color: var(--safe); }
    #live[data-state=behind]::before { content: "◐"; color: var(--warn); }
    #live[data-state=lost]::before { content: "○"; color: var(--bad); }
    #moment { margin: .8rem 0 .2rem; min-height: 5.6rem; }
    .headline { font-size: 1.05rem; } .type { font-weight: 600; color: var(--accent); }
    .headline time, .headline #local { font-size: .9rem; white-space: nowrap; }
    #effect { overflow-wrap: anywhere; }
    #picture { padding: .3rem 0 .6rem; }
    .tools { position: sticky; top: 0; z-index: 1; background: var(--bg); display: flex;
      align-items: center; min-height: 2.2rem; padding: .15rem 0; }
    .steps { flex: none; display: flex; gap: .3rem; }
    #slider { margin: 0; accent-color: var(--accent); min-width: 20px; height: 1.6rem;
      position: absolute; }
    button { font: inherit; font-size: .8rem; color: var(--fg); background: var(--panel);
      border: 1px solid var(--line); border-radius: 6px; padding: .1rem .55rem; cursor: pointer; }
    button:hover { border-color: var(--soft); }
    :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
    .command { display: flex; align-items: center; gap: .5rem; margin-top: .4rem;
      color: var(--soft); font-size: .8rem; }
    .command code { overflow-wrap: anywhere; } .command code::before { content: "$ "; }
    .command button { padding: 0 .45rem; font-size: .75rem; flex: none; }
    svg { display: block; width: 100%; height: auto; cursor: crosshair; touch-action: pan-y; }
    svg text { fill: var(--fg); font: 12px system-ui, "DejaVu Sans", sans-serif; }
    svg .small { font-size: 10.5px; } svg .tick { fill: var(--soft); font-size: 11px; }
    svg .in { pointer-events: none; font-size: 10.5px; text-anchor: middle; }
    .rule { stroke: var(--line); } .cursor { stroke: var(--fg); stroke-width: 1.5; }
    .L { fill: var(--lead); } .V { fill: var(--vote); } .W { fill: var(--work); }
    .S { fill: url(#stripes); stroke: var(--stand); }
    .P { fill: var(--bg); stroke: var(--spare); stroke-width: 1.5; }
    .N { fill: var(--bg); stroke: var(--soft); stroke-dasharray: 1.5 2.5; }
    .suspect { fill: url(#crosses); stroke: var(--bad); stroke-dasharray: 4 2; }
    .gone { stroke: var(--soft); stroke-dasharray: 1 4; }
    .safe { fill: var(--safe); } .thin { fill: var(--warn); }
    .lost { fill: url(#crosses); stroke: var(--bad); }
    .stripe { stroke: var(--stand); stroke-width: 2.5; }
    .cross { stroke: var(--bad); stroke-width: 1.2; }
    text.onL { fill: var(--onlead); } text.onV { fill: var(--onvote); }
    text.onSafe { fill: var(--onsafe); }
    text.halo { paint-order: stroke; stroke: var(--bg); stroke-width: 4px; }
    #legend { list-style: none; display: flex; flex-wrap: wrap; gap: .15rem 1.1rem; padding: 0;
      margin: .4rem 0 0; font-size: .8rem; color: var(--soft); }
    #legend svg { display: inline-block; width: 26px; height: 18px; vertical-align: middle;
      margin-right: .4rem; cursor: default; }
    .views { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr);
      gap: .8rem; margin: .8rem 0; align-items: start; grid-template-rows: auto 1fr; }
    .wide { grid-row: 1 / span 2; grid-column: 2; }
    .rows { max-height: 24rem; overflow: auto; }
    .views section { background: var(--panel); border: 1px solid var(--line); border-radius: 8px;
      padding: .7rem .9rem; }
    table { border-collapse: collapse; width: 100%; font-size: .82rem; }
    th, td { text-align: left; vertical-align: top; padding: .18rem .7rem .18rem 0; }
    #nodes th { font-weight: 600; } thead th { color: var(--soft); font-weight: 600; }
    #nodes tr[data-changed] th::after { content: " ◂"; color: var(--accent); }
    .bar { display: flex; flex-wrap: wrap; gap: .6rem; align-items: baseline; }
    #filter { font: inherit; font-size: .85rem; color: var(--fg); background: var(--bg);
      border: 1px solid var(--soft); border-radius: 6px; padding: .15rem .5rem; width: 15rem; }
    .list { max-height: 26rem; overflow: auto; border: 1px solid var(--line); border-radius: 8px;
      margin-top: .3rem; }
    .list th, .list td { padding: .22rem .7rem; border-bottom: 1px solid var(--line); }
    .list thead th { position: sticky; top: 0; background: var(--panel); }
    .list td { white-space: nowrap; } .list td:last-child { white-space: normal; min-width: 22rem;
      overflow-wrap: anywhere; }
    .list td:first-child { text-align: right; } .list tbody tr { cursor: pointer; }
    .list td button { background: none; border: 0; padding: 0; font: inherit; }
    .list tr[aria-current] td { background: var(--pick); }
    .list tr[aria-current] td:first-child { box-shadow: inset 3px 0 var(--accent); }
    #history { margin-bottom: 1rem; }
    .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden;
      clip-path: inset(50%); white-space: nowrap; }
    @media (max-width: 46rem) {
      header, main, footer { padding-left: .8rem; padding-right: .8rem; }
      .views { grid-template-columns: minmax(0, 1fr); } .wide { grid-row: auto; grid-column: 1; }
      .views section { overflow-x: auto; } #filter { flex: 1; width: auto; min-width: 8rem; }
      .list thead { position: absolute; clip-path: inset(50%); }
      .list table, .list tbody { display: block; } .list tr { display: flex; flex-wrap: wrap;
        gap: 0 .7rem; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
      .list td { display: block; border: 0; padding: 0; } .list td:last-child { flex-basis: 100%;
        min-width: 0; }
      .list tr[aria-current] { background: var(--pick); }
      .list tr[aria-current] td:first-child { box-shadow: none; font-weight: 700; } }
    @media (forced-colors: active) { svg rect { stroke: CanvasText; } }
    @media print { :root { color-scheme: light; }
      body { font-size: 11px; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
      .tools, .command button, #filter, footer { display: none; }
      .list, .rows { max-height: none; overflow: visible; border: 0; }
      .views section, tr, #picture { break-inside: avoid; } .list table { font-size: .72rem; }
      .list th, .list td { padding: .1rem .4rem .1rem 0; } .list td:last-child { min-width: 0; }
      .list td:nth-child(3) { white-space: normal; } }
    """#
}
