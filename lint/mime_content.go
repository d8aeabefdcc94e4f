package lint

// Rules on the lines of a body, whatever they say.

// maxEncodedLine is the most characters of a line of encoded data (RFC 2045 6.7, 6.8).
const maxEncodedLine = 76

func bareInBody(b *body, p *part) {
	if p.bare.count > 0 {
		b.foundSpots(p, p.bare, p.faults.String())
	}
}

func bodyLine(b *body, p *part) {
	if p.long.count > 0 {
		b.foundSpots(p, p.long, "over 998 octets")
	}
}

func encodedLine(b *body, p *part) {
	if p.wide.count > 0 {
		b.foundSpots(p, p.wide, "over 76 characters of "+p.encoding)
	}
}

// eightBit judges leaves only: that a multipart should declare the most of what
// its parts do (RFC 2045 6.4) is what hardly any mail program does. BODY=8BITMIME
// is no excuse: it tells what a transport may carry, not what a part is.
func eightBit(b *body, p *part) {
	if p.eight.count == 0 || p.isMultipart() {
		return
	}
	switch p.encoding {
	case "8bit", "binary", "quoted-printable", "base64": // of these other rules speak
	case "":
		b.foundSpots(p, p.eight, "no Content-Transfer-Encoding")
	default: // 7bit, or what nobody knows
		b.foundSpots(p, p.eight, "declared "+p.encoding[:min(len(p.encoding), maxValue)])
	}
}
