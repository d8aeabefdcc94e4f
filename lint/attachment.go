package lint

import (
	"fmt"
	"strings"
	"unicode"
)

// Rules on attachments and their names.

// blockedExtensions are those that Gmail refuses, also compressed and inside
// archives ("File types blocked in Gmail").
const blockedExtensions = " ade adp apk appx appxbundle bat cab chm cmd com cpl diagcab diagcfg diagpkg dll dmg ex ex_ exe hta img ins iso isp jar jnlp js jse lib lnk mde mjs msc msi msix msixbundle msp mst nsh pif ps1 scr sct shb sys vb vbe vbs vhd vxd wsc wsf wsh xll "

// compressed are the extensions under which a single file is looked through.
var compressed = [...]string{"gz", "bz2"}

// blockedExtension returns the extension for which a file is refused, or "".
func blockedExtension(name string) string {
	name = strings.ToLower(name[strings.LastIndexAny(name, `/\`)+1:])
	for range 2 {
		name = strings.TrimRightFunc(name, hidesNothing)
		dot := strings.LastIndexByte(name, '.')
		if dot < 0 {
			return ""
		}
		extension := name[dot+1:]
		if !strings.ContainsAny(extension, " ") && strings.Contains(blockedExtensions, " "+extension+" ") {
			return extension
		}
		if extension != compressed[0] && extension != compressed[1] {
			return ""
		}
		name = name[:dot]
	}
	return ""
}

// hidesNothing reports whether the rune at the end of a name hides no extension
// before it: Windows drops dots and spaces, and mail programs quotes, semicolons,
// controls and what has no width. A closing bracket is none of these: it ends
// titles such as "Offer (example.com)".
func hidesNothing(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && !unicode.Is(unicode.Pe, r)
}

// names returns every name that a mail program may give the attachment.
func (p *part) names() []string {
	var names []string
	for _, field := range []*contentType{&p.disposition, &p.contentType} {
		for _, param := range []string{"filename", "name"} {
			for _, name := range field.all(param) {
				names = append(names, decodedWords(name))
			}
		}
	}
	return names
}

// blockedName also begins to look into a zip archive. The name of a forwarded
// message is a subject as often as a file, and "www.example.com" is a subject.
func blockedName(b *body, p *part) {
	names := p.names()
	forwarded := strings.HasPrefix(p.contentType.value, "message/")
	for _, name := range names {
		if extension := blockedExtension(name); extension != "" && !(forwarded && extension == "com") {
			b.found(p, p.where(), shown(name))
			break
		}
	}
	if p.encoding == "base64" && isZip(p, names) {
		p.rules.zip = &zipNames{}
	}
}

func isZip(p *part, names []string) bool {
	switch p.contentType.value {
	case "application/zip", "application/x-zip", "application/x-zip-compressed", "multipart/x-zip":
		return true
	}
	for _, name := range names {
		if strings.HasSuffix(strings.ToLower(strings.TrimRightFunc(name, hidesNothing)), ".zip") {
			return true
		}
	}
	return false
}

func blockedInZip(b *body, p *part) {
	if p.rules.zip == nil {
		return
	}
	z := p.rules.zip
	if z.blocked == "" {
		return
	}
	detail := shown(z.blocked) + " in a zip archive"
	if z.count > 1 {
		detail += fmt.Sprintf(" and %d more", z.count-1)
	}
	b.found(p, p.where(), detail)
}

func rawFileName(b *body, p *part) {
	if p.rawName != "" {
		b.found(p, p.where(), shown(p.rawName))
	}
}
