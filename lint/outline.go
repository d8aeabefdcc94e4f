package lint

import (
	"bytes"

	"pratique/message"
)

// Entity is one entity in the structure of a message (RFC 2045 2.4). Lines are
// counted from 1, from the first line of the body of the whole message.
type Entity struct {
	Path        string // as in the place of a finding: "body" the message itself, "1.2" the second part of its first part
	Depth       int    // 0 for the message itself
	Type        string // media type in lower case, that of the defaults if none is declared
	Charset     string // "" if none is declared
	Encoding    string // Content-Transfer-Encoding in lower case, "" if none is declared
	Disposition string // "inline", "attachment", or ""
	FileName    string // decoded, "" if there is none
	Parts       int    // entities directly inside it
	Header      int    // line on which its header begins; 0 for the message itself
	First, Last int    // lines of its body, boundary lines of its own parts included; Last < First: it has none
}

// Outline returns the entities of a message in the order in which they begin, the
// message itself first, as the rules see them: what passes the bounds of the
// parser counts as data of the entity in which it stands.
func Outline(h *message.Header, body []byte) []Entity {
	o := &outline{index: map[*part]int{}}
	o.parser = newParser(o)
	o.parser.start(rootFields(h))
	o.parser.write(body)
	if !bytes.HasSuffix(body, []byte("\n")) {
		o.parser.write(crlf)
	}
	o.over = true
	o.parser.close()
	return o.entities
}

// outline is the handler that writes down what begins and ends.
type outline struct {
	parser   *parser
	entities []Entity
	index    map[*part]int
	over     bool // every line was read
}

func (o *outline) begin(p *part) wanted {
	o.index[p] = len(o.entities)
	if p.parent != nil {
		o.entities[o.index[p.parent]].Parts++
	}
	charset, _ := p.contentType.param("charset")
	o.entities = append(o.entities, Entity{
		Path: p.where(), Depth: p.depth, Type: p.contentType.value, Charset: charset,
		Encoding: p.encoding, Disposition: p.disposition.value, FileName: p.fileName,
		Header: p.begins, First: o.parser.line + 1,
	})
	return noLines
}

// opening tells the first line of a leaf whose header ended without an empty line.
func (o *outline) opening(p *part, _ []byte) {
	e := &o.entities[o.index[p]]
	e.First = min(e.First, o.parser.line)
}

func (o *outline) data(*part, []byte, faults, bool) {}

func (o *outline) lines(*part, []byte) (octets, lines int) { return 0, 0 }

// end: the line that was read last is the boundary that ends the entity, unless the body is over.
func (o *outline) end(p *part) {
	e := &o.entities[o.index[p]]
	e.Last = o.parser.line - 1
	if o.over {
		e.Last = o.parser.line
	}
}

func (o *outline) limit(*part, string) {}
