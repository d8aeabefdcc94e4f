package lint

// longLine is what is known of a line over maxHeld before its end.
type longLine struct {
	length int // octets, without those of the line end
	faults faults
	cr     bool // the last octet was CR: part of the line end, or bare
}

// beginLong takes the first maxHeld octets of a longer line.
func (p *parser) beginLong(b []byte) {
	p.line++
	p.midst = true
	p.long = longLine{}
	text := p.longText(b, false)
	for p.inHeader && !p.headerLine(text) {
	}
	p.data(text, p.long.faults, true)
}

// longData takes what follows in a line that is over maxHeld.
func (p *parser) longData(b []byte, ends bool) {
	if p.long.cr && b[0] != '\n' {
		p.moreData([]byte("\r"))
	}
	p.moreData(p.longText(b, ends))
	if ends {
		p.endLong()
	}
}

func (p *parser) moreData(text []byte) {
	if p.inHeader {
		p.keep(text)
	}
	p.data(text, p.long.faults, false)
}

// longText examines a piece of a long line and returns it without its line end. A
// CR at the end of the piece is left for the next one to judge.
func (p *parser) longText(b []byte, ends bool) []byte {
	l := &p.long
	if l.cr && b[0] != '\n' {
		l.bareCR()
	}
	text, last := b, byte(0)
	if ends {
		text = text[:len(text)-1]
	}
	if len(text) > 0 {
		last = text[len(text)-1]
	}
	if last == '\r' {
		text = text[:len(text)-1]
	}
	if ends && last != '\r' && !l.cr {
		l.faults |= bareLF
	}
	l.cr = last == '\r' && !ends
	l.faults |= examine(text)
	l.length += len(text)
	return text
}

// bareCR counts the CR that was left, now that it turned out to be none of a line end.
func (l *longLine) bareCR() {
	l.cr = false
	l.faults |= bareCR
	l.length++
}

func (p *parser) endLong() {
	if p.long.cr { // the body ends in CR
		p.long.bareCR()
	}
	p.midst = false
	p.count(p.top(), p.long.length, p.long.faults, p.inData())
}
