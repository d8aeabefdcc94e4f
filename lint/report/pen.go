package report

import (
	"io"

	"pratique/lint"
)

// pen writes text, with colours if a terminal shows it.
type pen struct {
	out    io.Writer
	colour bool
}

// paint gives a text the colour of an action.
func (p pen) paint(action lint.Action, text string) string {
	switch action {
	case lint.Reject:
		return p.render("1;31", text)
	case lint.Warn:
		return p.render("33", text)
	case lint.Fix:
		return p.render("36", text)
	case accept:
		return p.render("32", text)
	}
	return p.faint(text)
}

// accept is what becomes of a message that nothing refuses.
const accept lint.Action = "accept"

func (p pen) bold(text string) string { return p.render("1", text) }

func (p pen) faint(text string) string { return p.render("2", text) }

// render puts a text between Select Graphic Rendition sequences (ECMA-48 8.3.117).
func (p pen) render(parameters, text string) string {
	if !p.colour {
		return text
	}
	return "\x1b[" + parameters + "m" + text + "\x1b[0m"
}
