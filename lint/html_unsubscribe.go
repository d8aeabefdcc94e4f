package lint

import (
	"bytes"
	"strings"
)

// The rule on bulk mail that does not tell how to be rid of it.

// unsubscribeWords are what links out of a list are called, or the part of it that
// all forms have, in lower case.
const unsubscribeWords = "unsubscrib|opt-out|opt out|optout|opting out|manage preferences|email preferences|your preferences|manage your subscription|stop receiving|no longer wish" + // English
	"|abmelde|abmeldung|abzumelden|abbestell|austragen|newsletter kündigen|keine e-mails mehr" + // German
	"|sabonn|sinscri|sinscription|ne plus recevoir" + // French: désabonner, désinscrire
	"|de baja|cancelar suscrip|cancelar la suscrip|cancelar tu suscrip|anular suscrip|anular la suscrip|dejar de recibir" + // Spanish
	"|cancelar inscri|cancelar a inscri|cancelar assinatura|cancelar subscri|cancelar a subscri|descadastr|deixar de receber|desinscrever" + // Portuguese
	"|disiscri|cancella iscrizione|cancella l'iscrizione|annulla iscrizione|annulla l'iscrizione|cancellati" + // Italian
	"|uitschrijv|uit te schrijven|schrijf je uit|afmeld" + // Dutch
	"|avregistrera|avprenumerera|avsluta prenumeration|avanmäl|frameld|avmeld|meld deg av|avslutt abonnement" + // Swedish, Danish, Norwegian
	"|peruuta tilau|peruuttaa tilau|peru tilau|lopeta tilau|poistu listalta" + // Finnish
	"|wypisz|wypisać|rezygn|anuluj subskrypcj|odhlás|odhlas|zrušit odběr|odjav|leiratkoz|dezabon" + // Polish, Czech, Slovak, Croatian, Hungarian, Romanian
	"|abonelikten|aboneliğ|listeden çık|üyelikten|κατάργηση εγγραφής|απεγγραφή|διαγραφή" + // Turkish, Greek
	"|отпис|отпиш|отказаться от|відпис|скасувати підписк" + // Russian, Bulgarian, Ukrainian
	"|להסרה|הסר|إلغاء الاشتراك|الغاء الاشتراك|hủy đăng ký|huỷ đăng ký|berhenti berlangganan|ยกเลิกการ" + // Hebrew, Arabic, Vietnamese, Indonesian, Thai
	"|配信停止|配信解除|配信を停止|購読解除|購読を解除|登録解除|退会|退订|退訂|取消订阅|取消訂閱|수신거부|수신 거부|구독 취소|구독취소" // Japanese, Chinese, Korean

// phraseSet finds some of many phrases in a text, by the first two octets of each.
type phraseSet struct {
	begins [1 << 16 / 64]uint64
	by     map[[2]byte][]string
}

// newPhraseSet takes phrases of two octets at least, in lower case.
func newPhraseSet(all string) *phraseSet {
	p := &phraseSet{by: map[[2]byte][]string{}}
	for phrase := range strings.SplitSeq(all, "|") {
		first := [2]byte{phrase[0], phrase[1]}
		p.by[first] = append(p.by[first], phrase)
	}
	for first := range p.by {
		n := uint16(first[0])<<8 | uint16(first[1])
		p.begins[n>>6] |= 1 << (n & 63)
	}
	return p
}

// in reports whether one of the phrases stands in the text.
func (p *phraseSet) in(text []byte) bool {
	for i := 0; i+1 < len(text); i++ {
		n := uint16(text[i])<<8 | uint16(text[i+1])
		if p.begins[n>>6]&(1<<(n&63)) == 0 {
			continue
		}
		for _, phrase := range p.by[[2]byte{text[i], text[i+1]}] {
			if rest := text[i:]; len(rest) >= len(phrase) && string(rest[:len(phrase)]) == phrase {
				return true
			}
		}
	}
	return false
}

// unsubscribe looks for a way out of a list in the text and the links of a message.
type unsubscribe struct {
	words   *phraseSet
	uris    [][]byte // of List-Unsubscribe, in lower case
	longest int      // octets of the longest of all these
	text    []byte   // what is gathered to be searched, lower case but for its new end
	found   bool
	read    bool // there was text
	unread  bool // there was text that can't be searched
}

// gatheredText is how much text is searched at once.
const gatheredText = 8 << 10

// maxPhrase is longer than every one of unsubscribeWords.
const maxPhrase = 64

// newUnsubscribe takes the List-Unsubscribe fields, whose URIs count as well.
func newUnsubscribe(words *phraseSet, fields []string) *unsubscribe {
	u := &unsubscribe{words: words, longest: maxPhrase}
	for _, field := range fields {
		for _, piece := range strings.Split(field, "<")[1:] {
			uri, _, _ := strings.Cut(piece, ">")
			if uri = strings.ToLower(strings.TrimSpace(uri)); uri != "" && len(uri) <= gatheredText/2 && len(u.uris) < maxParams {
				u.uris = append(u.uris, []byte(uri))
				u.longest = max(u.longest, len(uri))
			}
		}
	}
	return u
}

// begin notes a text of the message and reports whether it is to be searched. The
// words are UTF-8, and near enough in the charsets of western Europe, where all of
// them that matter have forms or links in ASCII.
func (u *unsubscribe) begin(p *part) bool {
	switch charsetOf(p) {
	case "utf-8", "iso-8859-1", "iso-8859-15", "windows-1252":
		u.read = true
		return !u.found
	}
	u.unread = true
	return false
}

func (u *unsubscribe) write(b []byte) {
	for len(b) > 0 && !u.found {
		n := min(len(b), gatheredText-len(u.text))
		u.text = append(u.text, b[:n]...)
		b = b[n:]
		if len(u.text) == gatheredText {
			u.search()
		}
	}
}

// search looks through the gathered text and keeps of it what may be half of one that is looked for.
func (u *unsubscribe) search() {
	u.text = bytes.ToLower(u.text)
	u.found = u.found || u.words.in(u.text)
	for _, uri := range u.uris {
		u.found = u.found || bytes.Contains(u.text, uri)
	}
	kept := min(u.longest-1, len(u.text))
	u.text = append(u.text[:0], u.text[len(u.text)-kept:]...)
}

// end ends a text: what follows has nothing to do with it.
func (u *unsubscribe) end() {
	u.search()
	u.text = u.text[:0]
}

func noUnsubscribeLink(b *body) {
	if u := b.unsubscribe; u != nil && u.read && !u.found && !u.unread {
		b.findings.add(b.rule, Reject, "body", "")
	}
}
