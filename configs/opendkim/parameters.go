package opendkim

// kind is what a value of a parameter looks like.
type kind uint8

const (
	text kind = iota
	boolean
	integer
	include
)

// fate is what becomes of a parameter that nothing else takes care of.
type fate uint8

const (
	handled   fate = iota // elsewhere, by name
	verifies              // only has to do with verifying, of which Mode speaks
	operates              // has to do with the process, its log and its files: the unit's business here
	abandoned             // what it does, is not done here
	tested                // for tests of OpenDKIM itself
)

// parameter is a name that opendkim.conf may have.
type parameter struct {
	name string
	kind kind
	fate fate
	text string // with abandoned: why; with others: a word on it, or ""
	do   string
}

const noDatabase = "no database is asked for what is signed"

// parameters are those of OpenDKIM 2.11 (opendkim-config.h), in its order.
func parameters() []parameter {
	return []parameter{
		{"AllowSHA1Only", boolean, verifies, "", ""},
		{"AlwaysAddARHeader", boolean, verifies, "", ""},
		{"ATPSDomains", text, abandoned, "signatures bear no atps= (RFC 6541)", ""},
		{"ATPSHashAlgorithm", text, operates, "", ""},
		{"AuthservID", text, verifies, "", ""},
		{"AuthservIDWithJobID", boolean, verifies, "", ""},
		{"AutoRestart", boolean, operates, "the systemd unit restarts the daemon", ""},
		{"AutoRestartCount", integer, operates, "", ""},
		{"AutoRestartRate", text, operates, "", ""},
		{"Background", boolean, operates, "", ""},
		{"BaseDirectory", text, handled, "", ""},
		{"BodyLengthDB", text, abandoned, "no signature gets l=, behind which anyone could append", "nothing, unless a mailing list was meant to append"},
		{"BogusKey", text, verifies, "", ""},
		{"Canonicalization", text, handled, "", ""},
		{"CaptureUnknownErrors", boolean, abandoned, "what can't be signed is answered 451, not quarantined", `to hold it: [signing] on_error = "hold"`},
		{"ChangeRootDirectory", text, abandoned, "the daemon does not change its root, and files were taken from the real one", "check the paths of keys and tables; the systemd unit confines the daemon"},
		{"ClockDrift", integer, verifies, "", ""},
		{"ConditionalSignatures", text, abandoned, "conditional signatures are not made", ""},
		{"DefaultSender", text, abandoned, "mail without a sender that can be read leaves unsigned", `bounces: [signing] default_domain`},
		{"Diagnostics", boolean, abandoned, "signatures bear no z=, which is for debugging", ""},
		{"DiagnosticDirectory", text, verifies, "", ""},
		{"DisableADSP", boolean, verifies, "", ""},
		{"DisableCryptoInit", boolean, operates, "", ""},
		{"DNSConnect", boolean, verifies, "", ""},
		{"DNSTimeout", integer, verifies, "", ""},
		{"Domain", text, handled, "", ""},
		{"DomainKeysCompat", boolean, verifies, "", ""},
		{"DontSignMailTo", text, abandoned, "whether a message is signed does not depend on its recipients here", "let such mail pass an MTA without this milter, if it must not be signed"},
		{"EnableCoredumps", boolean, operates, "", ""},
		{"ExemptDomains", text, handled, "", ""},
		{"ExternalIgnoreList", text, handled, "", ""},
		{"FinalPolicyScript", text, abandoned, "Lua scripts are not run", "look what it does to outgoing mail"},
		{"FixCRLF", boolean, operates, "bare CR and LF are found by rule H20", ""},
		{"FlowData", text, abandoned, "flow rates were not taken over", "[[rates.limits]] limits what is sent"},
		{"FlowDataFactor", integer, operates, "", ""},
		{"FlowDataTTL", integer, operates, "", ""},
		{"IdentityHeader", text, abandoned, "i= is not taken from the message", "[[signing.domains]] identity"},
		{"IdentityHeaderRemove", boolean, operates, "", ""},
		{"IgnoreMalformedMail", boolean, verifies, "", ""},
		{"Include", include, handled, "", ""},
		{"InternalHosts", text, handled, "", ""},
		{"KeepAuthResults", boolean, verifies, "", ""},
		{"KeepTemporaryFiles", boolean, operates, "", ""},
		{"KeyFile", text, handled, "", ""},
		{"KeyTable", text, handled, "", ""},
		{"LDAPAuthMechanism", text, abandoned, noDatabase, ""},
		{"LDAPAuthName", text, abandoned, noDatabase, ""},
		{"LDAPAuthRealm", text, abandoned, noDatabase, ""},
		{"LDAPAuthUser", text, abandoned, noDatabase, ""},
		{"LDAPBindPassword", text, abandoned, noDatabase, ""},
		{"LDAPBindUser", text, abandoned, noDatabase, ""},
		{"LDAPDisableCache", boolean, operates, "", ""},
		{"LDAPKeepaliveIdle", text, operates, "", ""},
		{"LDAPKeepaliveInterval", text, operates, "", ""},
		{"LDAPKeepaliveProbes", text, operates, "", ""},
		{"LDAPTimeout", text, operates, "", ""},
		{"LDAPUseTLS", boolean, operates, "", ""},
		{"LogResults", boolean, verifies, "", ""},
		{"LogWhy", boolean, operates, "why a message leaves unsigned is always on its line in the log", ""},
		{"LuaOnlySigning", boolean, abandoned, "Lua scripts are not run", "give [[signing.domains]] for what the script signed"},
		{"MacroList", text, abandoned, "whether a message is signed does not depend on the MTA's macros here", "list the clients in [access] networks"},
		{"MaximumHeaders", integer, operates, "the header is bounded at 256 KiB and 1,000 fields", ""},
		{"MaximumSignaturesToVerify", integer, verifies, "", ""},
		{"MaximumSignedBytes", integer, abandoned, "no signature gets l=, behind which anyone could append", ""},
		{"MilterDebug", integer, operates, "", ""},
		{"Minimum", text, verifies, "", ""},
		{"MinimumKeyBits", integer, verifies, "", ""},
		{"Mode", text, handled, "", ""},
		{"MTA", text, abandoned, "mail is not signed for the name of the daemon that took it in", "list its clients in [access] networks, or have them log in"},
		{"MTACommand", text, verifies, "", ""},
		{"MultipleSignatures", boolean, handled, "", ""},
		{"MustBeSigned", text, verifies, "", ""},
		{"Nameservers", text, handled, "", ""},
		{"NoHeaderB", boolean, verifies, "", ""},
		{"OmitHeaders", text, handled, "", ""},
		{"On-BadSignature", text, verifies, "", ""},
		{"On-Default", text, handled, "", ""},
		{"On-DNSError", text, verifies, "", ""},
		{"On-InternalError", text, handled, "", ""},
		{"On-KeyNotFound", text, verifies, "", ""},
		{"On-NoSignature", text, verifies, "", ""},
		{"On-PolicyError", text, verifies, "", ""},
		{"On-ReputationError", text, verifies, "", ""},
		{"On-Security", text, verifies, "", ""},
		{"On-SignatureError", text, handled, "", ""},
		{"OversignHeaders", text, handled, "", ""},
		{"PeerList", text, handled, "", ""},
		{"PidFile", text, operates, "", ""},
		{"POPDBFile", text, abandoned, "no POP-before-SMTP", "have those clients log in (SASL)"},
		{"Quarantine", boolean, verifies, "", ""},
		{"QueryCache", boolean, verifies, "", ""},
		{"RateLimits", text, abandoned, "flow rates were not taken over", "[[rates.limits]] limits what is sent"},
		{"RedirectFailuresTo", text, verifies, "", ""},
		{"RemoveARAll", boolean, verifies, "", ""},
		{"RemoveARFrom", text, verifies, "", ""},
		{"RemoveOldSignatures", boolean, abandoned, "signatures that a message bears already stay in it", "nothing, as a rule: those of others do no harm to ours"},
		{"ReplaceHeaders", text, abandoned, "no header is rewritten before signing", "rewrite in the MTA before the milter (Postfix: a cleanup service of its own)"},
		{"ReplaceRules", text, abandoned, "no header is rewritten before signing", "rewrite in the MTA before the milter (Postfix: a cleanup service of its own)"},
		{"ReportAddress", text, verifies, "", ""},
		{"ReportBccAddress", text, verifies, "", ""},
		{"RequestReports", boolean, abandoned, "signatures bear no r=y (RFC 6651)", "failures of DKIM are told by DMARC reports"},
		{"RequiredHeaders", boolean, operates, "[lint] refuses such messages by its own rules", ""},
		{"RequireSafeKeys", boolean, handled, "", ""},
		{"ResignAll", boolean, abandoned, "nothing is signed for the sake of its recipients", ""},
		{"ResignMailTo", text, abandoned, "nothing is signed for the sake of its recipients", ""},
		{"ResolverConfiguration", text, verifies, "", ""},
		{"ResolverTracing", boolean, verifies, "", ""},
		{"ScreenPolicyScript", text, abandoned, "Lua scripts are not run", "look what it does to outgoing mail"},
		{"SelectCanonicalizationHeader", text, abandoned, "a message can't choose how it is made canonical", ""},
		{"Selector", text, handled, "", ""},
		{"SenderHeaders", text, handled, "", ""},
		{"SenderMacro", text, abandoned, "the signing domain is always that of From, with which DMARC compares it", ""},
		{"SendReports", boolean, verifies, "", ""},
		{"SetupPolicyScript", text, abandoned, "Lua scripts are not run", "give [[signing.domains]] for what the script signed"},
		{"SignatureAlgorithm", text, handled, "", ""},
		{"SignatureTTL", integer, handled, "", ""},
		{"SignHeaders", text, handled, "", ""},
		{"SigningTable", text, handled, "", ""},
		{"SMTPURI", text, verifies, "", ""},
		{"Socket", text, handled, "", ""},
		{"SoftStart", boolean, operates, "", ""},
		{"SoftwareHeader", boolean, operates, "messages get no field with the program's name", ""},
		{"Statistics", text, operates, "metrics are at [http]", ""},
		{"StatisticsName", text, operates, "", ""},
		{"StatisticsPolicyScript", text, abandoned, "Lua scripts are not run", ""},
		{"StatisticsPrefix", text, operates, "", ""},
		{"StrictHeaders", boolean, operates, "[lint] refuses such messages by its own rules", ""},
		{"StrictTestMode", boolean, tested, "", ""},
		{"SubDomains", boolean, handled, "", ""},
		{"Syslog", boolean, operates, "the log goes to standard error, from where the journal has it", ""},
		{"SyslogFacility", text, operates, "", ""},
		{"SyslogName", text, operates, "", ""},
		{"SyslogSuccess", boolean, operates, "every message has its line in the log", ""},
		{"TemporaryDirectory", text, operates, "", ""},
		{"TestDNSData", text, tested, "", ""},
		{"TestPublicKeys", text, tested, "", ""},
		{"TrustAnchorFile", text, verifies, "", ""},
		{"TrustSignaturesFrom", text, verifies, "", ""},
		{"UMask", integer, handled, "", ""},
		{"UnprotectedKey", text, verifies, "", ""},
		{"UserID", text, handled, "", ""},
		{"VBR-Certifiers", text, abandoned, "no VBR-Info field is made (RFC 5518)", ""},
		{"VBR-PurgeFields", boolean, abandoned, "no VBR-Info field is made (RFC 5518)", ""},
		{"VBR-TrustedCertifiers", text, verifies, "", ""},
		{"VBR-TrustedCertifiersOnly", boolean, verifies, "", ""},
		{"VBR-Type", text, abandoned, "no VBR-Info field is made (RFC 5518)", ""},
		{"WeakSyntaxChecks", boolean, verifies, "", ""},
		{"X-Header", boolean, operates, "messages get no field with the program's name", ""},
	}
}

// translateRest says what becomes of the parameters that nothing else took care of.
func (t *Translation) translateRest() {
	for i, s := range t.conf.all {
		if t.conf.last[s.param] != i {
			continue
		}
		off := s.param.kind == boolean && truth(s.value) == 0 || s.param.kind == integer && s.value == "0"
		switch s.param.fate {
		case verifies:
			t.add(s.note(Fine, "only has to do with verifying, which is not done here", ""))
		case operates:
			why := s.param.text
			if why == "" {
				why = "has no counterpart and needs none"
			}
			t.add(s.note(Fine, why, ""))
		case tested:
			t.add(s.note(Fine, "is for tests of OpenDKIM", ""))
		case abandoned:
			if off {
				t.add(s.note(Fine, "is off", ""))
				continue
			}
			t.add(s.note(Lost, s.param.text, s.param.do))
		}
	}
}
