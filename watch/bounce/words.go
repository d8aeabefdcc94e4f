package bounce

import (
	"regexp"
	"strings"
)

// The words by which mail systems and their letters are known, in the languages in which
// samples were seen. Each list is one regular expression, in any case.

// anyOf matches where any of some expressions does.
func anyOf(expressions ...string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)` + strings.Join(expressions, "|"))
}

// daemonName is From of what does nothing but deliver mail.
var daemonName = anyOf(`mailer[-_ .]?daemon`, `mail[ .]deliver`, `delivery sub`, `mdaemon`, `double-bounce`, `microsoftexchange[0-9a-f]{20}`)

// mailerName is what mail systems call themselves in From besides; people and newsletters do, too.
var mailerName = anyOf(
	`post[-_ ]?master`, `mail administrator`, `system ?administrator`, `administrateur syst`, `ndr administrator`,
	`microsoft exchange`, `exchange server`, `mail ?system`, `mail[-_ ]service`, `mail router`, `mta@`, `_smtp_`,
	`interscan`, `antivirus`, `mimesweeper`, `no-?reply@.*\.dion\.ne\.jp`,
)

// undelivered is how subjects of bounces tell what they are.
var undelivered = anyOf(
	`un-?deliver`, `deliver(y|ing)? (status notif|fail|problem|delayed|error|report|was)`, `delivery[- ]notification`, `mail delivery`,
	`(delivery|mail|message) (has )?(failed|failure)`, `failure notice`, `failed mail`, `mail failure`, `mail system error`, `processing error`,
	`returned (mail|message|to sender)`, `returning message`, `rejected mail`, `mail rejected`, `non[- ]?deliver`, `not[- ]delivered`,
	`(not|could ?n.t|can ?not) be delivered`, `(message|mail|e-?mail) (not |was |is )?(bounced|undelivered)`,
	`delayed mail`, `mail delay`, `unknown (user|recipient)`, `user unknown`,
	`unzustellbar`, `nicht zugestellt`,
	`non[- ]?remis`,
	`consegna`, `non recapitabile`,
	`entrega`, `no se (pudo|puede) entregar`, `não entregue`,
	`onbestelbaar`, `niet afgeleverd`,
	`не доставлено`, `недоставлен`, `не может быть доставлено`,
	`退信`, `投递失败`, `退件`, `无法投递`, `邮件传输失败`, `傳送失敗`,
	`配信不能`, `配信エラー`, `送信エラー`, `メールエラー`,
)

// answer is how subjects begin of what is sent for somebody, and of what is about mail
// but tells of nothing that was not delivered.
var answer = anyOf(`^\W*(` + strings.Join([]string{
	`auto(matic)?[- ]?(reply|response|respon|antwort)`, `automatische antwort`, `réponse automatique`, `respuesta automática`,
	`risposta automatica`, `resposta automática`, `автоответ`, `自動応答`, `自动回复`,
	`out of (the )?office`, `ooo\b`, `away from`, `vacation`, `on (vacation|leave|holiday)`, `abwesen`, `urlaub`, `absence`, `absent`,
	`en vacances`, `fuori (sede|ufficio)`, `ausente`,
	`read:`, `gelesen:`, `lu ?:`, `not read:`, `deleted:`, `accepted:`, `declined:`, `tentative:`,
	`please (confirm|verify)`, `confirm your`, `confirmation required`, `verification required`, `challenge`,
	`quarantine`, `spam (digest|report|quarantine)`, `postfix smtp server: errors`, `.{0,80}awaits moderator approval`, `cron <`,
}, "|") + `)`)

// passedOn is how subjects begin of what a person answered or passed on.
var passedOn = anyOf(`^\s*(?:re|aw|sv|vs|fwd?|wg|tr|rv|enc|doorst|vb|пересл?|转发|轉寄|転送)\s*[:：]`)

// failure is words of mail systems that give up.
var failure = anyOf(
	`(could not|couldn't|can ?not|can't|was not|wasn't|were not|weren't|not been|unable to|not able to|failed to|impossible to|never|not) (be )?(deliver|reach|receive|sent|accept)`,
	`un-?deliver`, `not delivered`, `delevery`, `deliver(y|ing)? (has |was |(of|to) .{1,80} )?(failed|failure|aborted|error|problem)`, `trouble delivering`,
	`failed (recipient|address)`, `fail(ed|ure) (notice|reason)`, `permanent (fatal )?error`, `fatal error`, `transcript of session`,
	`returned mail`, `returned to (the )?sender`, `has been returned`, `rejected`, `incorrectly constructed`,
	`(user|recipient|mailbox|address|account|host) (is )?(unknown|disabled|full|invalid|not (known|found))`, `unknown (user|recipient|address)`,
	`invalid (user|recipient|final)`, `no such (user|recipient)`, `not a valid`, `exceeds allowed size`,
	`nicht zugestellt`, `konnte nicht`, `unzustellbar`,
	`n'a pas (pu|été)`, `n'ont pas`, `non remis`,
	`non è stato possibile`, `impossibile`,
	`no se (pudo|ha podido|puede)`, `não (pôde|foi)`,
	`niet (worden )?(afgeleverd|bezorgd)`,
	`не (может быть|было|была|удалось) ?доставлен`, `не доставлен`, `недоставлен`, `существует`,
	`退信`, `投递失败`, `无法(投递|发送|送达)`, `無法`,
	`送信できません`, `配信できません`, `届けることができません`, `送信に失敗`,
)

// stillTrying is words of mail systems that do not give up yet.
var stillTrying = anyOf(
	`this is (just )?a warning`, `warning message only`, `no action is required on your part`, `need to resend`, `temporary failure report`,
	`will be retried`, `will (continue|keep) (to try|trying|to attempt)`, `continue to (try|attempt)`, `attempts will continue`, `will retry for`,
	`still trying to deliver`, `gmail will retry`, `has been (delayed|postponed)`, `is delayed for`, `not (yet )?been delivered yet`, `has not yet been`,
	`hasn't been delivered yet`, `wird weiter versucht`, `noch nicht zugestellt`,
)

// lateSubject is how subjects tell that a message is late.
var lateSubject = anyOf(`\bdelay(ed)?\b`, `^warning\b.*\b(not|delay)`, `verzöger`, `retard`, `retras`)

// failedForGood is words of mail systems that give up whatever their subject says.
var failedForGood = anyOf(`permanent`, `fatal`, `given up`, `giving up`, `will not be retried`)

// returned is the line behind which a mail system puts the message that it returns.
var returned = regexp.MustCompile(`(?im)^[ \t>|*=-]*(?:` + strings.Join([]string{
	`(?:below this line|here|this|attached|included|attachment) is a copy of .*`, `(?:below is )?a copy of the original message.*`,
	`(?:possibly truncated )?original message (?:follows|headers|as received).*`, `-[ -]*original (?:message|mail)(?: info)?\b.*`,
	`(?:(?:unsent|undelivered|returned|non-delivered) (?:message|mail)|message (?:text|headers?)) (?:follows?|below).*`,
	`-{2,} ?(?:unsent|undelivered|returned) (?:message|mail)\b.*`, `-{2,} ?start of returned message.*`, `-{2,} ?the body of your message.*`,
	`(?:the )?header of the (?:original|source) (?:message|mail).*`, `(?:the )?(?:header and|first) .{0,30}(?:lines of|top).{0,40} follows?.*`,
	`your message reads \(in part\).*`, `a summary of the undelivered message.*`,
}, "|") + `)$`)

// traceField is fields that stand in no text of a mail system itself, but above the
// message that it returns.
var traceField = regexp.MustCompile(`(?m)^>? ?(?:Received|Return-[Pp]ath|DKIM-Signature|X-Received|ARC-Seal|X-Google-Smtp-Source|X-Envelope-From|Delivered-To):[ \t]?\S?`)

// quoteMark is what some put before each line of what they return.
var quoteMark = regexp.MustCompile(`(?m)^> ?`)
