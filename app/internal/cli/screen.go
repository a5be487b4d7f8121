package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// screen shows one text in place of another. It uses the terminal's other screen, so that what the terminal has scrolled
// away stays, and leaves the last text behind it. All calls are of one goroutine.
type screen struct {
	out    io.Writer
	height func() int // in lines, 0 if that is not known
	width  func() int // in characters, 0 if that is not known
	last   string
	note   string // below it, "" for none
	open   bool
}

// show shows a text. What does not fit is left out, and counted in the last line.
func (s *screen) show(text string) error {
	s.last, s.note = text, ""
	return s.draw()
}

// tell shows a line below the text, in place of the one before, until the next text is shown.
func (s *screen) tell(note string) error {
	s.note = note
	return s.draw()
}

func (s *screen) draw() error {
	var b bytes.Buffer
	if !s.open {
		s.open = true
		b.WriteString("\x1b[?1049h")
	}
	lines := strings.Split(strings.TrimRight(s.last, "\n"), "\n")
	most := s.height()
	if s.note != "" {
		most--
	}
	if most > 1 && len(lines) > most {
		more := len(lines) - most + 1
		lines = append(lines[:most-1:most-1], fmt.Sprintf("… %d more", more))
	}
	if s.note != "" {
		lines = append(lines, cut(s.note, s.width()))
	}
	b.WriteString("\x1b[H")
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(line + "\x1b[K")
	}
	b.WriteString("\x1b[J")
	_, err := b.WriteTo(s.out)
	return err
}

// close goes back to the terminal's own screen, and writes the last text and what stands below it there.
func (s *screen) close() error {
	if !s.open {
		return nil
	}
	s.open = false
	left := s.last
	if s.note != "" {
		left += s.note + "\n"
	}
	_, err := io.WriteString(s.out, "\x1b[?1049l"+left)
	return err
}
