// What Streamlit's page lacks: one step of Back for each step forward, results that are announced
// and scrolled into view, charts that are drawn at once and lead somewhere, and a message when the
// server does not answer.
(() => {
  const RESULTS = ['answer', 'saved', 'job', 'detail', 'traces', 'checked', 'compared']
  // These stay on the page, so arriving there does not announce them.
  const LASTING = ['checked', 'compared']
  const TICK_MS = 2000
  const PATIENCE_MS = 4000
  const app = () => document.querySelector('[data-testid=stApp]')

  // To open another page with parameters, Streamlit first pushes the old path with the new
  // parameters: an address that was never shown. The second push takes its place.
  const push = history.pushState.bind(history)
  // Another page begins at its top, however far the one before was scrolled.
  const toTopFor = (to) => {
    if (to.pathname !== location.pathname) document.querySelector('[data-testid=stMain]')?.scrollTo(0, 0)
  }
  let half = null
  history.pushState = (state, unused, url) => {
    const from = new URL(location.href)
    const to = new URL(url, from)
    const completes = half !== null && performance.now() - half.at < PATIENCE_MS
      && half.path === from.pathname && half.search === to.search && from.pathname !== to.pathname
    half = from.pathname === to.pathname
      ? {at: performance.now(), path: to.pathname, search: to.search} : null
    toTopFor(to)
    if (completes) history.replaceState(state, unused, url)
    else push(state, unused, url)
  }

  const PLOTLY = './plotly-basic-4.1.1.min.js'
  let plotly = null
  const loaded = () => plotly ??= new Promise((done, failed) => {
    const script = document.createElement('script')
    script.onload = () => done(window.Plotly)
    script.onerror = () => {
      plotly = null
      failed(new Error(`${PLOTLY} was not loaded`))
    }
    script.src = PLOTLY
    document.head.append(script)
  })
  // Where charts are sure to come, while there is nothing else to do.
  if (document.querySelector(`link[href="${PLOTLY}"]`)) loaded().catch(() => {})
  const charts = new Map()
  const visit = (address) => {
    toTopFor(new URL(address, location.href))
    push(null, '', address)
    dispatchEvent(new PopStateEvent('popstate'))
  }
  const draw = async (chart) => {
    const {data, layout} = JSON.parse(chart.dataset.figure)
    const {link} = chart.dataset
    let width = chart.clientWidth
    try {
      const Plotly = await loaded()
      if (!chart.isConnected) return
      await Plotly.newPlot(chart, data, layout, {displayModeBar: false, doubleClick: false})
      chart.on('plotly_click', ({points: [point]}) => {
        const address = point.customdata ?? link
        if (address) visit(address)
      })
      const resized = new ResizeObserver(() => {
        if (!chart.clientWidth || chart.clientWidth === width) return
        width = chart.clientWidth
        Plotly.Plots.resize(chart)
      })
      resized.observe(chart)
      charts.set(chart, resized)
    } catch (error) {
      console.error(`A chart cannot be drawn: ${error.message}`)
      chart.textContent = chart.getAttribute('aria-label')
    }
  }
  const drawNew = () => {
    for (const [chart, resized] of charts) {
      if (chart.isConnected) continue
      resized?.disconnect()
      window.Plotly?.purge(chart)
      charts.delete(chart)
    }
    for (const chart of document.getElementsByClassName('holdfast-chart')) {
      if (charts.has(chart)) continue
      charts.set(chart, null)
      draw(chart)
    }
  }

  // In a shadow root, so that a search in the page finds each text once.
  const hidden = document.createElement('div')
  hidden.style.cssText = 'position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)'
  const region = document.createElement('div')
  region.setAttribute('role', 'status')
  hidden.attachShadow({mode: 'closed'}).append(region)
  const said = {}
  let due = 0
  let path = ''
  let arrivedAt = 0
  let touchedAt = 0
  // What is drawn later around a result would push it out of view again. A hand goes before.
  let bringing = null
  const leave = () => bringing?.disconnect()
  const bring = (part) => {
    leave()
    const end = performance.now() + PATIENCE_MS
    const scroll = () => {
      part.scrollIntoView({block: part.clientHeight > innerHeight - 100 ? 'start' : 'nearest'})
    }
    part.style.scrollMargin = '4.5rem 0 1rem'
    scroll()
    bringing = new ResizeObserver(() => {
      if (performance.now() < end && part.isConnected) scroll()
      else leave()
    })
    bringing.observe(part)
    bringing.observe(document.querySelector('[data-testid=stMainBlockContainer]'))
  }
  for (const kind of ['wheel', 'touchmove', 'pointerdown', 'keydown']) {
    addEventListener(kind, leave, {capture: true, passive: true})
  }
  const announce = () => {
    if (app()?.dataset.testScriptState !== 'notRunning') return void (due = setTimeout(announce, 100))
    // Otherwise screen readers read out the names that the icons have in the font.
    for (const icon of document.querySelectorAll('[role=img][aria-label$=" icon"]')) {
      icon.setAttribute('aria-hidden', 'true')
    }
    if (path !== location.pathname) arrivedAt = performance.now()
    path = location.pathname
    for (const name of RESULTS) {
      const part = document.querySelector(`.st-key-${name}`)
      const text = part?.innerText.trim().slice(0, 80) ?? ''
      if (text === (said[name] ?? '')) continue
      said[name] = text
      if (!text || part.contains(document.activeElement)) continue
      if (touchedAt < arrivedAt && LASTING.includes(name)) continue
      region.textContent = part.innerText.trim().slice(0, 300)
      bring(part)
    }
  }
  const watch = new MutationObserver(() => {
    drawNew()
    clearTimeout(due)
    due = setTimeout(announce, 150)
  })

  const bar = document.createElement('div')
  bar.setAttribute('role', 'alert')
  bar.style.cssText = 'position:fixed;inset:0 0 auto;z-index:1000001;padding:.6rem 1rem;'
    + 'background:#92400e;color:#fff;font:1rem sans-serif;text-align:center'
  bar.hidden = true
  const tell = (sentence) => {
    if (bar.textContent !== sentence) bar.textContent = sentence
    bar.hidden = !sentence
  }
  // Streamlit styles a focused link like the current page, and the keys of a shortcut and the
  // chosen option of a radio too faintly.
  const style = document.createElement('style')
  style.textContent = `
    [data-testid=stSidebar] a:focus-visible {outline: 2px solid currentColor; outline-offset: -2px}
    button[role=radio][aria-checked=true] {color: inherit !important}
    button kbd {color: inherit !important; opacity: 1 !important; background: none !important}
    .holdfast-chart {overflow: hidden}
    .holdfast-chart:not([data-link=""]) .nsewdrag {cursor: pointer}
    .holdfast-chart :is(.xtick text, .ytick text, .y2tick text, .xtitle, .bartext, .legendtext) {
      fill: currentColor !important}
    .holdfast-chart :is(.xgrid, .ygrid, .y2grid) {stroke: currentColor !important; stroke-opacity: .15 !important}`
  let acted = 0
  let lost = 0
  let busy = 0
  const answers = async () => {
    try {
      const options = {cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS)}
      return (await fetch('./_stcore/health', options)).ok
    } catch {
      return false
    }
  }
  const look = async () => {
    const {testConnectionState: connection, testScriptState: script} = app()?.dataset ?? {}
    const now = performance.now()
    lost = connection === 'CONNECTED' || !connection ? 0 : lost || now
    busy = script === 'notRunning' ? 0 : busy || now
    const asked = acted && now - acted > PATIENCE_MS
    if (lost && now - lost > TICK_MS) {
      tell('The connection to the server is lost. This page reconnects by itself as soon as it can; '
        + 'what you typed stays.')
    } else if (!bar.hidden || asked || (busy && now - busy > 2 * PATIENCE_MS)) {
      acted = 0
      tell(await answers() ? '' : 'The server does not answer. Your last action may not be done '
        + 'yet; this page continues by itself as soon as the server answers.')
    }
    setTimeout(look, TICK_MS)
  }

  addEventListener('DOMContentLoaded', () => {
    document.head.append(style)
    document.body.append(hidden, bar)
    watch.observe(document.getElementById('root'), {childList: true, characterData: true, subtree: true})
    for (const kind of ['click', 'keydown']) addEventListener(kind, () => (acted = touchedAt = performance.now()), true)
    setTimeout(look, TICK_MS)
  })
})()
