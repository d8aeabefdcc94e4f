package bounce

import (
	"regexp"
	"strings"

	"pratique/watch/parts"
)

// fromMailer reports whether a message is one that a mail system writes about mail,
// as far as its header tells. One that says of itself that it answers for a person
// (RFC 3834 5, and what stood there before) is none, and a receipt (RFC 8098) isn't either.
func fromMailer(message *parts.Part) bool {
	h := message.Header
	if h.Get("X-Failed-Recipients") != "" {
		return true
	}
	if answersForPerson(h) || isReceipt(message) {
		return false
	}
	from := strings.ToLower(h.Get("From"))
	if isSystem(from) {
		return true
	}
	return undelivered.MatchString(h.Get("Subject")) && (h.Get("Return-Path") == "<>" || h.Get("In-Reply-To") == "")
}

// isDaemon reports whether From, in lower case, is of nobody but a mail system. Some
// write an empty address, as in the envelope.
func isDaemon(from string) bool {
	return from == "" || strings.Contains(from, "<>") || daemonName.MatchString(from)
}

var daemonName = regexp.MustCompile(`mailer[-_ .]?daemon|mail[ .]deliver|delivery sub|mdaemon|double-bounce|microsoftexchange[0-9a-f]{20}`)

// isSystem reports whether From, in lower case, looks like that of a mail system.
func isSystem(from string) bool { return isDaemon(from) || mailerName.MatchString(from) }

// mailerName is what mail systems call themselves in From.
var mailerName = regexp.MustCompile(`post[-_ ]?master|mail administrator|system administrator|systemadministrator|` +
	`microsoft exchange|mail system|mail[-_ ]service|mailsystem|ndr administrator|mail router|exchange server|mta@|interscan|administrateur syst|antivirus|mimesweeper|_smtp_|no-?reply@.*\.dion\.ne\.jp`)

// undelivered is how subjects of bounces tell what they are.
var undelivered = regexp.MustCompile(`(?i)undeliver|un-?deliver|deliver(y|ing)? (status notif|fail|problem|delayed|error|report|was)|(delivery|mail|message) (has )?(failed|failure)|failure notice|failed mail|mail failure|` +
	`returned (mail|message|to sender)|returning message|mail delivery|mail system error|non[- ]?(remis|deliver)|unzustellbar|delivery[- ]notification|(not|could ?n.t|can ?not) be delivered|not[- ]delivered|` +
	`(message|mail|e-?mail) (not |was |is )?(bounced|undelivered)|nicht zugestellt|rejected mail|mail rejected|delayed mail|mail delay|processing error|unknown (user|recipient)|user unknown|` +
	`consegna|non recapitabile|entrega|no se (pudo|puede) entregar|não entregue|onbestelbaar|niet afgeleverd|не доставлено|недоставлен|не может быть доставлено|退信|投递失败|退件|无法投递|配信不能|配信エラー|送信エラー|メールエラー|傳送失敗|邮件传输失败`)

// answersForPerson reports whether a message is sent for somebody who is away, or by
// a system that wants something of the sender before it lets a message through.
func answersForPerson(h parts.Header) bool {
	for _, name := range []string{"X-Autoreply", "X-Autorespond", "X-Autoreply-From", "X-Mail-Autoreply", "X-Vacation"} {
		if h.Get(name) != "" {
			return true
		}
	}
	switch strings.ToLower(h.Get("Precedence")) {
	case "auto_reply", "auto-reply", "vacation":
		return true
	}
	return answer.MatchString(h.Get("Subject"))
}

var answer = regexp.MustCompile(`(?i)^\W*(auto(matic)?[- ]?(reply|response|respon|antwort)|automatische antwort|réponse automatique|respuesta automática|risposta automatica|resposta automática|автоответ|自動応答|自动回复|` +
	`out of (the )?office|ooo\b|away from|vacation|on (vacation|leave|holiday)|abwesen|absence|absent|en vacances|fuori (sede|ufficio)|ausente|urlaub|` +
	`read:|gelesen:|lu ?:|not read:|deleted:|accepted:|declined:|tentative:|please (confirm|verify)|confirm your|quarantine|spam (digest|report|quarantine)|postfix smtp server: errors|` +
	`.{0,80}awaits moderator approval|confirmation required|verification required|challenge)`)

// isReceipt reports whether a message is a disposition notification (RFC 8098): it was
// delivered, whatever became of it then.
func isReceipt(message *parts.Part) bool {
	if strings.EqualFold(message.Params["report-type"], "disposition-notification") {
		return true
	}
	receipt := false
	message.Each(func(p *parts.Part) {
		receipt = receipt || p.Type == "message/disposition-notification" || p.Type == "message/global-disposition-notification"
	})
	return receipt
}
