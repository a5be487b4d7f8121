package main

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// width is that of every picture. A phone shows it at half the size, so no text is smaller than small.
const width = 720

const (
	small  = 21
	normal = 23
	large  = 26
)

// theme has the colors of the console, light and dark. Tasks keep their color in both.
const theme = `:root{--back:#f5f6f8;--card:#fff;--text:#16202c;--faint:#56636f;--line:#c3ccd6;--accent:#1a57c4;--bad:#b3261e;--good:#0b6a4c;--wait:#7d5200}
@media (prefers-color-scheme:dark){:root{--back:#10151c;--card:#19212b;--text:#e6ebf1;--faint:#9fabb9;--line:#3d4a59;--accent:#8ab4ff;--bad:#ff8a80;--good:#6fdcae;--wait:#ffcf70}}
text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif;fill:var(--text)}
.code{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono","Noto Sans Mono CJK SC",monospace}
.faint{fill:var(--faint)}.accent{fill:var(--accent)}.bad{fill:var(--bad)}.good{fill:var(--good)}.wait{fill:var(--wait)}.white{fill:#fff}
.strong{font-weight:600}
.card{fill:var(--card);stroke:var(--line);stroke-width:2}
.frame{fill:none;stroke:var(--faint);stroke-width:2;stroke-dasharray:6 5}
.stroke{fill:none;stroke:var(--faint);stroke-width:2.5}
.stroke-accent{fill:none;stroke:var(--accent);stroke-width:3.5}
.stroke-bad{fill:none;stroke:var(--bad);stroke-width:2.5}
.fill-faint{fill:var(--faint)}.fill-accent{fill:var(--accent)}.fill-bad{fill:var(--bad)}
.mail{fill:#00719c}.feed{fill:#9a4a00}
`

// A canvas is a picture that is being drawn.
type canvas struct {
	height int
	title  string
	style  string // beside the theme
	body   strings.Builder
}

// newCanvas returns an empty picture. Its title is what a screen reader says.
func newCanvas(height int, title string) *canvas { return &canvas{height: height, title: title} }

func (c *canvas) String() string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">
<style>%s%s</style>
<rect width="%d" height="%d" rx="14" fill="var(--back)"/>
%s</svg>
`, width, c.height, width, c.height, escape(c.title), theme, c.style, width, c.height, c.body.String())
}

// raw writes an element.
func (c *canvas) raw(format string, args ...any) { fmt.Fprintf(&c.body, format+"\n", args...) }

// text writes a line. The anchor is start, middle or end.
func (c *canvas) text(x, y, size int, anchor, class, text string) {
	c.raw(`<text x="%d" y="%d" font-size="%d" text-anchor="%s" class="%s">%s</text>`, x, y, size, anchor, class, escape(text))
}

// box draws a rounded rectangle.
func (c *canvas) box(x, y, w, h int, class string) {
	c.raw(`<rect x="%d" y="%d" width="%d" height="%d" rx="10" class="%s"/>`, x, y, w, h, class)
}

// chip draws a slot.
func (c *canvas) chip(x, y, w, h int, task, text string) {
	c.raw(`<rect x="%d" y="%d" width="%d" height="%d" rx="8" class="%s"/>`, x, y, w, h, task)
	c.text(x+w/2, y+h/2+8, normal, "middle", "white", text)
}

// arrow draws a line with a head at its end, along points.
func (c *canvas) arrow(color string, points ...[2]int) {
	stroke, head := "stroke", "fill-faint"
	if color != "" {
		stroke, head = "stroke-"+color, "fill-"+color
	}
	var path strings.Builder
	for i, p := range points {
		fmt.Fprintf(&path, "%s%d %d", map[bool]string{true: "M", false: "L"}[i == 0], p[0], p[1])
	}
	c.raw(`<path d="%s" class="%s" stroke-linejoin="round"/>`, path.String(), stroke)
	from, to := points[len(points)-2], points[len(points)-1]
	angle := 0
	switch {
	case to[0] < from[0]:
		angle = 180
	case to[1] > from[1]:
		angle = 90
	case to[1] < from[1]:
		angle = -90
	}
	c.raw(`<path d="M2 0L-12 -8V8Z" transform="translate(%d %d) rotate(%d)" class="%s"/>`, to[0], to[1], angle, head)
}

// escape makes a text safe within XML.
func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder never fails
	return b.String()
}
