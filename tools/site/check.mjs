// Checks the pages of the site as they were built: whatever they load or lead to on this site is there, also the place
// within the page.
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import { files } from './pages.mjs'

const plain = (text) => text.replaceAll('&amp;', '&').replaceAll('&quot;', '"').replaceAll('&#39;', "'")

// problems returns a line for each link that leads nowhere. base is the path below which the folder is served.
export function problems(folder, base) {
  const pages = new Map(files(folder).filter((name) => name.endsWith('.html')).map((name) => {
    const text = readFileSync(join(folder, name), 'utf8')
    return [name, { text, ids: new Set([...text.matchAll(/\sid="([^"]*)"/g)].map((m) => plain(m[1]))) }]
  }))
  const out = new Set()
  for (const [name, page] of pages) {
    for (const [, , link] of page.text.matchAll(/\s(href|src)="([^"]*)"/g)) {
      if (/^([a-z]+:|\/\/)/i.test(link)) continue
      const url = new URL(plain(link), `http://site${base}${name}`)
      const problem = `${name} leads to ${link}`
      if (!url.pathname.startsWith(base)) {
        out.add(`${problem}, which is outside this version`)
        continue
      }
      let target = decodeURIComponent(url.pathname.slice(base.length))
      if (target === '' || target.endsWith('/')) target += 'index.html'
      const file = posix.normalize(target)
      if (!existsSync(join(folder, file)) || !statSync(join(folder, file)).isFile()) out.add(`${problem}, which does not exist`)
      else if (url.hash.length > 1 && pages.has(file) && !pages.get(file).ids.has(decodeURIComponent(url.hash.slice(1)))) out.add(`${problem}: that page has no such place`)
    }
  }
  return [...out].sort()
}
