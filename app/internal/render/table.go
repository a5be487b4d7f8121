package render

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Table is rows of cells; the first one is the heading.
type Table [][]string

// Add adds a row. Each cell is one line, and "-" if it is empty.
func (t *Table) Add(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = dash(strings.ReplaceAll(fmt.Sprint(c), "\n", " "))
	}
	*t = append(*t, row)
}

// withoutEmpty leaves out those of the columns in which no row has a value.
func (t Table) withoutEmpty(columns ...string) Table {
	for _, name := range columns {
		i := slices.Index(t[0], name)
		if slices.ContainsFunc(t[1:], func(row []string) bool { return row[i] != dash("") }) {
			continue
		}
		for at := range t {
			t[at] = slices.Delete(t[at], i, i+1)
		}
	}
	return t
}

// Write writes the rows as columns. If the width is above 0, no line is longer: the widest columns are cut.
func (t Table) Write(b *bytes.Buffer, width int) {
	widths := t.widths(width)
	for _, row := range t {
		var line strings.Builder
		for i, cell := range row {
			if n := utf8.RuneCountInString(cell); width > 0 && len(row) > 1 && n > widths[i] {
				cell = string([]rune(cell)[:widths[i]-1]) + "…"
			}
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+gap))
			}
		}
		b.WriteString(cut(strings.TrimRight(line.String(), " "), width) + "\n")
	}
}

// gap is the number of spaces between columns.
const gap = 2

// widths returns the width of each column. A row of one cell is a remark, which does not widen its column.
func (t Table) widths(width int) []int {
	columns := 0
	for _, row := range t {
		columns = max(columns, len(row))
	}
	widths := make([]int, columns)
	for _, row := range t {
		for i, cell := range row {
			if len(row) > 1 {
				widths[i] = max(widths[i], utf8.RuneCountInString(cell))
			}
		}
	}
	for width > 0 {
		total, widest := -gap, 0
		for i, w := range widths {
			total += w + gap
			if w > widths[widest] {
				widest = i
			}
		}
		if total <= width || widths[widest] <= 8 {
			break
		}
		widths[widest] = max(8, widths[widest]-(total-width))
	}
	return widths
}

// cut shortens a line to a width; 0 is any width.
func cut(line string, width int) string {
	if width > 0 && utf8.RuneCountInString(line) > width {
		return string([]rune(line)[:width-1]) + "…"
	}
	return line
}

// oneLine joins the lines of a text.
func oneLine(text string) string { return strings.ReplaceAll(strings.TrimSpace(text), "\n", " ") }

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
