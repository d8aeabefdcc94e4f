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

// unsubscribe looks for a way out of a list in the text and the links of a message.
type unsubscribe struct {
	needles [][]byte // lower case
	longest int
	text    []byte // what is gathered to be searched, lower case but for its new end
	found   bool
	read    bool // there was text
	unread  bool // there was text that can't be searched
}

// gatheredText is how much text is searched at once.
const gatheredText = 8 << 10

// newUnsubscribe takes the List-Unsubscribe fields, whose URIs count as well.
func newUnsubscribe(fields []string) *unsubscribe {
	u := &unsubscribe{}
	for word := range strings.SplitSeq(unsubscribeWords, "|") {
		u.add(word)
	}
	for _, field := range fields {
		for _, piece := range strings.Split(field, "<")[1:] {
			if uri, _, ok := strings.Cut(piece, ">"); ok && len(uri) <= gatheredText/2 {
				u.add(strings.ToLower(strings.TrimSpace(uri)))
			}
		}
	}
	return u
}

func (u *unsubscribe) add(needle string) {
	if needle != "" {
		u.needles = append(u.needles, []byte(needle))
		u.longest = max(u.longest, len(needle))
	}
}

// begin notes a text of the message and reports whether it is to be searched. The
// needles are UTF-8, and near enough in the charsets of western Europe, where all
// of them that matter have forms or links in ASCII.
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

// search looks through the gathered text and keeps of it what may be half a needle.
func (u *unsubscribe) search() {
	u.text = bytes.ToLower(u.text)
	for _, needle := range u.needles {
		u.found = u.found || bytes.Contains(u.text, needle)
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
