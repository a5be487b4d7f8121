import { readFileSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import { defineConfig } from 'vitepress'
import { menu } from '../pages.mjs'

// What build.mjs builds at present.
const site = JSON.parse(process.env.SITE)
const forge = 'https://gitee.com/ken.yang/xconsumer'
const icon = 'data:image/svg+xml,' + encodeURIComponent(readFileSync(join(import.meta.dirname, '../../../httpapi/internal/console/assets/icon.svg'), 'utf8'))
const ref = site.version === 'next' ? 'master' : site.version

// slugify makes the anchors of headings that the forges make, so that a link works in both places.
const slugify = (text) => text.trim().toLowerCase().replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '').replaceAll(' ', '-')

// absent are the links to files that the repository does not have.
const absent = new Set()

// toRepository has links that leave the documents lead to the forge, and collects those that lead nowhere.
function toRepository(md) {
  md.core.ruler.push('to-repository', (state) => {
    const page = state.env.relativePath
    if (!page) return
    const original = site.fallbacks.includes(page) ? page.replace(/^zh\//, '') : page
    for (const token of state.tokens.flatMap((token) => token.children ?? [])) {
      const href = token.type === 'link_open' ? token.attrGet('href') : ''
      if (!href || /^([a-z]+:|#|\/)/i.test(href)) continue
      const [link, hash] = decodeURI(href).split('#')
      const path = posix.join('docs', posix.dirname(original), link)
      if (path.startsWith('docs/') && path.endsWith('.md')) {
        // A Chinese page stays among Chinese ones. An English one that stands in for a translation leads to English ones where it
        // names a heading: those of a translation have other anchors.
        const target = path.slice('docs/'.length)
        const standsIn = site.fallbacks.includes(`zh/${target}`)
        const at = hash ? '#' + hash : ''
        if (original === page && page.startsWith('zh/') && standsIn) token.attrSet('href', `/zh/${target}${at}`)
        if (original !== page && hash && !standsIn) token.attrSet('href', `/${target}${at}`)
        continue
      }
      const file = statSync(join(site.repository, path), { throwIfNoEntry: false })
      if (!file || path.startsWith('../')) {
        absent.add(`docs/${original} leads to ${link}, which does not exist`)
        continue
      }
      token.attrSet('href', `${forge}/${file.isDirectory() ? 'tree' : 'blob'}/${ref}/${encodeURI(path.replace(/\/$/, ''))}${hash ? '#' + hash : ''}`)
    }
  })
}

// withoutLanguages takes the links between translations out, which the forges need: the site has a switch.
function withoutLanguages(md) {
  md.core.ruler.push('without-languages', (state) => {
    const at = state.tokens.findIndex((token) => token.type === 'inline' && /^\[(English|简体中文)\]\([^)]*\)$/.test(token.content))
    if (at > 0 && state.tokens[at - 1].type === 'paragraph_open') state.tokens.splice(at - 1, 3)
  })
}

// roomyColumns gives the columns of a table with more than two of them a least width that suits their texts; else one column
// of long names leaves the others a word a line. Short names are not broken, long ones where they have a "_".
function roomyColumns(md) {
  const code = md.renderer.rules.code_inline
  md.renderer.rules.code_inline = (tokens, at, ...rest) => {
    const html = code(tokens, at, ...rest)
    return tokens[at].meta?.long ? html.replaceAll('_', '_<wbr>') : html
  }
  md.core.ruler.push('roomy-columns', ({ tokens }) => {
    let heads = [], longest = [], column = 0
    tokens.forEach((token, at) => {
      if (token.type === 'table_open') [heads, longest] = [[], []]
      if (token.type === 'tr_open') column = 0
      if (token.type === 'th_open') heads.push(token)
      if (token.type === 'table_close') heads.forEach((head, i) => head.attrJoin('style', `;--longest:${longest[i] ?? 0}ch`))
      if (token.type !== 'td_open' || heads.length < 3) return
      let length = 0
      for (const part of tokens[at + 1].children) {
        const long = part.type === 'code_inline' && part.content.length > 16
        if (long) part.meta = { long }
        else if (part.type === 'code_inline') part.attrSet('class', 'whole')
        length += part.content.replace(/[^\0-\u02ff]/g, '··').length / (long ? 2 : 1)
      }
      longest[column] = Math.max(longest[column] ?? 0, Math.ceil(length))
      column++
    })
  })
}

// words cuts a page into what the search finds, and terms what is searched for. A run of Chinese characters has no spaces:
// each pair of neighbors is a word. A page also has the last character, so that each one is the beginning of a word. A name
// such as XCONSUMER_LEADER_WORKERS is found whole, and from each of its parts on. The browser gets these functions as text,
// so they use nothing from around them.
function words(text) {
  return [...text.toLowerCase().matchAll(/\p{Script=Han}+|(?:[^\s\p{P}\p{Script=Han}]|(?<=\w)_(?=\w))+/gu)].flatMap(([word]) => {
    const runes = [...word]
    if (/^\p{Script=Han}/u.test(word)) return runes.map((rune, i) => rune + (runes[i + 1] ?? ''))
    return word.split('_').map((_, i, parts) => parts.slice(i).join('_'))
  })
}

function terms(text) {
  return [...text.toLowerCase().matchAll(/\p{Script=Han}+|(?:[^\s\p{P}\p{Script=Han}]|(?<=\w)_(?=\w))+/gu)].flatMap(([word]) => {
    const runes = [...word]
    return /^.\p{Script=Han}/u.test(word) ? runes.slice(1).map((rune, i) => runes[i] + rune) : [word]
  })
}

const source = join(import.meta.dirname, '../.build/docs')

// language returns the settings that a language has of its own.
function language(code, text) {
  const { groups, internals } = menu(source, code)
  const at = code ? `/${code}/` : '/'
  return {
    label: text.label,
    lang: text.lang,
    description: text.description,
    themeConfig: {
      nav: [
        ...groups.map((group) => ({ text: group.text, link: group.items[0].link, activeMatch: `^(${group.items.map((item) => item.link.replace('.md', '')).join('|')})$` })),
        { text: text.internals, link: internals[0].link, activeMatch: `^${at}internals/` },
        { component: 'Versions', props: { label: text.version } },
      ],
      sidebar: {
        [`${at}internals/`]: [{ text: text.internals, items: internals }],
        [at]: groups,
      },
      outline: { level: [2, 3], label: text.outline },
      docFooter: { prev: text.prev, next: text.next },
      editLink: { pattern: `${forge}/blob/${ref}/docs/:path`, text: text.source },
      darkModeSwitchLabel: text.appearance,
      lightModeSwitchTitle: text.light,
      darkModeSwitchTitle: text.dark,
      sidebarMenuLabel: text.menu,
      returnToTopLabel: text.top,
      langMenuLabel: text.language,
      skipToContentLabel: text.skip,
      notFound: text.notFound,
    },
  }
}

const en = language('', {
  label: 'English', lang: 'en', internals: 'Internals', version: 'Version',
  description: 'Keeps a fixed number of workers running across your machines, each in exactly one place.',
  outline: 'On this page', prev: 'Previous', next: 'Next', source: 'Source of this page', appearance: 'Appearance',
  light: 'Switch to light', dark: 'Switch to dark', menu: 'Menu', top: 'Top', language: 'Language', skip: 'Skip to content',
})

const zh = language('zh', {
  label: '简体中文', lang: 'zh-CN', internals: '内部文档', version: '版本',
  description: '让固定数量的 worker 始终运行在你的机器上，每个只在一处。',
  outline: '本页内容', prev: '上一页', next: '下一页', source: '查看本页源文件', appearance: '外观',
  light: '切换到浅色', dark: '切换到深色', menu: '目录', top: '回到顶部', language: '语言', skip: '跳到正文',
  notFound: { title: '页面不存在', quote: '链接可能已失效，请从目录或搜索中查找。', linkText: '返回首页', linkLabel: '返回首页' },
})

const searchInChinese = {
  button: { buttonText: '搜索', buttonAriaLabel: '搜索' },
  modal: {
    displayDetails: '显示详情', resetButtonTitle: '清除', backButtonTitle: '关闭', noResultsText: '没有结果：',
    footer: { selectText: '打开', navigateText: '移动', closeText: '关闭' },
  },
}

export default defineConfig({
  title: 'xconsumer',
  base: `${site.base}${site.version}/`,
  srcDir: '.build/docs',
  outDir: site.out,
  cacheDir: '.build/cache',
  head: [['link', { rel: 'icon', href: icon }]],
  locales: { root: en, zh: zh },
  markdown: { anchor: { slugify }, config: (md) => md.use(toRepository).use(withoutLanguages).use(roomyColumns) },
  themeConfig: {
    logo: { src: icon, alt: '' },
    versions: { all: site.versions, current: site.version, base: site.base },
    search: {
      provider: 'local',
      options: {
        locales: { zh: { translations: searchInChinese } },
        miniSearch: { options: { tokenize: words }, searchOptions: { tokenize: terms, combineWith: 'AND', prefix: true, fuzzy: false } },
      },
    },
  },
  transformPageData: (page) => {
    if (site.fallbacks.includes(page.relativePath)) page.frontmatter.editLink = false // it has no source of its own
  },
  buildEnd: () => {
    if (absent.size > 0) throw new Error([...absent].sort().join('\n'))
  },
  vite: { build: { assetsInlineLimit: 0, chunkSizeWarningLimit: 2000 } },
})
