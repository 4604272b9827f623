// The page's frame: landmarks, headings, labels. What it shows is put into it by the script, always
// as text.

enum TimelineMarkup {
  static let page = #"""
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta http-equiv="Content-Security-Policy" content="@POLICY@">
    <title>muster: history of cluster @CLUSTER@</title>
    <style>@STYLE@</style>
    </head>
    <body>
    <header>
      <h1>muster <span class="soft">history of cluster <code>@CLUSTER@</code></span></h1>
      <p id="place" class="soft"></p>
      <p id="live" role="status" hidden></p>
      <p id="omitted" class="note" hidden></p>
      <noscript><p class="note">This page draws with the script that is in it. The same in words:
      muster events --graph</p></noscript>
    </header>
    <main>
    <section id="moment" aria-label="The chosen event">
      <p class="headline"><strong id="index"></strong> <span id="type" class="type"></span>
      <time id="time"></time> <span id="local" class="soft"></span></p>
      <p id="effect"></p>
      <div class="command" id="showCommand"></div>
    </section>
    <section id="picture" aria-label="Roles over the events">
      <div class="tools">
        <span class="steps"><button id="back" aria-label="the event before">◀</button>
        <button id="next" aria-label="the event after">▶</button></span>
        <input id="slider" type="range" step="1" aria-label="event by index">
      </div>
      <svg id="lanes" role="img" aria-label="Roles of the nodes over the events, and how many
        voters may be lost. The events and the nodes are below in words."></svg>
      <ul id="legend" aria-label="Legend"></ul>
      <div class="command" id="lanesCommand"></div>
    </section>
    <div class="views">
      <section aria-labelledby="haTitle"><h2 id="haTitle">Availability, as recorded</h2>
        <pre id="ha"></pre><div class="command" id="haCommand"></div></section>
      <section aria-labelledby="providerTitle"><h2 id="providerTitle">API servers for workers</h2>
        <pre id="provider"></pre><div class="command" id="providerCommand"></div></section>
      <section aria-labelledby="nodesTitle" class="wide"><h2 id="nodesTitle">Nodes</h2>
        <div class="rows" tabindex="0" role="region" aria-label="Table of nodes">
        <table aria-labelledby="nodesTitle"><thead><tr><th scope="col">Name</th>
        <th scope="col">Role</th><th scope="col">Address</th></tr></thead>
        <tbody id="nodes"></tbody></table></div><p id="moreNodes" class="soft"></p>
        <div class="command" id="nodesCommand"></div></section>
    </div>
    <section id="history" aria-labelledby="eventsTitle">
      <div class="bar"><h2 id="eventsTitle">Events</h2>
      <input id="filter" type="search" placeholder="filter ( / )" autocomplete="off"
        spellcheck="false" aria-label="show only events with this text">
      <span id="count" class="soft" role="status"></span></div>
      <div class="list" id="list" tabindex="0" role="region" aria-label="List of events">
      <table id="table" aria-labelledby="eventsTitle"><thead><tr><th scope="col">Index</th>
      <th scope="col">Time (UTC)</th><th scope="col">Actor</th><th scope="col">Event</th>
      <th scope="col">Effect</th></tr></thead><tbody id="events"></tbody></table></div>
      <div class="command" id="eventsCommand"></div>
    </section>
    </main>
    <footer class="soft"><kbd>←</kbd> <kbd>→</kbd> one event · on the slider and in the list
    also <kbd>Home</kbd> <kbd>End</kbd>, and <kbd>Page Up</kbd> <kbd>Page Down</kbd> for ten ·
    <kbd>/</kbd> filter, <kbd>Esc</kbd> all again · drag over the lanes</footer>
    <p id="said" class="unseen" aria-live="polite"></p>
    <svg class="unseen" aria-hidden="true"><defs>
      <pattern id="stripes" width="5" height="5" patternUnits="userSpaceOnUse"
        patternTransform="rotate(45)"><line class="stripe" y2="5"/></pattern>
      <pattern id="crosses" width="6" height="6" patternUnits="userSpaceOnUse"
        patternTransform="rotate(45)"><path class="cross" d="M0 3h6M3 0v6"/></pattern>
    </defs></svg>
    <script type="application/json" id="about">@ABOUT@</script>
    <script type="application/json" id="records">@RECORDS@</script>
    <script>@SCRIPT@</script>
    </body>
    </html>

    """#
}
